// The form of parameters: what a field holds goes into the request, an empty field leaves the choice
// to the server (its model's generation_config.json, then OpenAI's defaults).

import {byId} from './element.js';
import {settings} from './store.js';

const kNumbers = ['temperature', 'top_p', 'top_k', 'min_p', 'max_tokens', 'presence_penalty',
                  'frequency_penalty', 'repetition_penalty', 'seed'];
const kIntegers = new Set(['top_k', 'max_tokens', 'seed']);

export class Settings {
  constructor() {
    this.form = byId('settings');
    const stored = settings.get();
    for (const field of this.#fields()) {
      const value = stored[field.name];
      if (field.type === 'checkbox') {
        field.checked = value === undefined ? field.defaultChecked : value === true;
      } else if (typeof value === 'string') {
        field.value = value;
      }
    }
    this.form.addEventListener('input', () => this.#save());
    this.form.addEventListener('submit', (event) => event.preventDefault());
    byId('reset-settings').addEventListener('click', () => {
      this.form.reset();
      this.#save();
    });
  }

  #fields() { return [...this.form.elements].filter((field) => field.name); }

  #save() {
    settings.set(Object.fromEntries(this.#fields().map((field) =>
      [field.name, field.type === 'checkbox' ? field.checked : field.value])));
  }

  // The first field that holds what cannot be sent, focused and told by the browser.
  valid() {
    if (this.form.checkValidity()) return true;
    byId('settings-panel').open = true;
    this.form.reportValidity();
    return false;
  }

  get wantsProbabilities() { return this.form.elements.logprobs.checked; }

  // Fields of a chat request.
  parameters() {
    const {elements} = this.form;
    const out = {};
    for (const name of kNumbers) {
      const text = elements[name].value.trim();
      if (text === '') continue;
      out[name] = kIntegers.has(name) ? Math.trunc(Number(text)) : Number(text);
    }
    const stop = elements.stop.value.split('\n').filter((line) => line !== '');
    if (stop.length) out.stop = stop;
    if (this.wantsProbabilities) Object.assign(out, {logprobs: true, top_logprobs: 5});
    return out;
  }

  // What leads every conversation, as messages.
  preamble() {
    const text = this.form.elements.system.value.trim();
    return text ? [{role: 'system', content: text}] : [];
  }
}
