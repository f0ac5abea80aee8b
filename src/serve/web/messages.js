// One message of a conversation on the page: its text, its buttons, its figures.

import {copyButton, element} from './element.js';
import {MarkdownView} from './markdown.js';
import {TokenView} from './probabilities.js';

const seconds = (s) => s < 1 ? `${Math.round(1000 * s)} ms` : `${s.toFixed(1)} s`;

const kFinish = {
  length: 'cut at its most tokens', abort: 'ended by the server', timeout: 'out of time',
  error: 'failed', stopped: 'stopped', repetition: 'repeated itself',
};

// "12 + 80 tokens · first after 40 ms · 55.1 tokens/s"
export function figuresOf(message) {
  const parts = [];
  if (message.usage) {
    const cached = message.usage.prompt_tokens_details?.cached_tokens;
    parts.push(`${message.usage.prompt_tokens}${cached ? ` (${cached} cached)` : ''} + ${message.usage.completion_tokens} tokens`);
  }
  if (message.first_s !== undefined) parts.push(`first after ${seconds(message.first_s)}`);
  if (message.tokens_per_s) parts.push(`${message.tokens_per_s.toFixed(1)} tokens/s`);
  if (kFinish[message.finish]) parts.push(kFinish[message.finish]);
  return parts.join(' · ');
}

export class MessageView {
  // `acts`: what the buttons call; those that are absent have no button.
  constructor(message, acts = {}) {
    this.message = message;
    this.mine = message.role === 'user';
    this.body = element('div', {class: 'body'});
    this.foot = element('footer');
    this.node = element('article', {class: message.role, tabindex: '-1'},
                        element('h3', {}, this.mine ? 'You' : 'Model'), this.body, this.foot);
    this.markdown = this.mine ? null : new MarkdownView();
    this.tokens = null;
    this.showsTokens = acts.showsTokens === true;
    this.update();
    this.setActs(acts);
  }

  // Shows what the message holds by now.
  update() {
    const {message} = this;
    if (this.mine) {
      this.body.textContent = message.content;
      return;
    }
    const asTokens = this.showsTokens && message._tokens?.length > 0;
    if (asTokens) {
      this.tokens ??= new TokenView();
      this.tokens.update(message._tokens);
    } else {
      this.markdown.update(message.content);
    }
    const node = asTokens ? this.tokens.node : this.markdown.node;
    if (this.body.firstChild !== node) this.body.replaceChildren(node);
  }

  setBusy(busy) {
    // A screen reader reads the answer once, when it is whole.
    this.node.setAttribute('aria-busy', String(busy));
    this.node.classList.toggle('busy', busy);
  }

  setActs(acts) {
    const {message} = this;
    const button = (label, act, more = {}) =>
      element('button', {type: 'button', class: 'small', onclick: act, ...more}, label);
    const row = [];
    if (acts.edit) row.push(button('Edit', acts.edit));
    if (acts.regenerate) row.push(button('Regenerate', acts.regenerate));
    if (message.content) row.push(copyButton(() => message.content));
    if (message._tokens?.length) row.push(this.#tokenSwitch(acts));
    const figures = this.mine ? '' : figuresOf(message);
    this.foot.replaceChildren(...row, element('span', {class: 'figures'}, figures));
  }

  #tokenSwitch(acts) {
    const button = element('button', {type: 'button', class: 'small', 'aria-pressed': String(this.showsTokens)},
                           'Probabilities');
    button.addEventListener('click', () => {
      this.showsTokens = !this.showsTokens;
      button.setAttribute('aria-pressed', String(this.showsTokens));
      this.update();
      acts.onTokens?.(this.showsTokens);
    });
    return button;
  }

  // The text becomes a field; `done` gets the new text, or null.
  edit(done) {
    const field = element('textarea', {rows: '4', 'aria-label': 'Edit your message'});
    field.value = this.message.content;
    const end = (text) => {
      this.update();
      done(text);
    };
    const send = () => field.value.trim() && end(field.value.trim());
    field.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        end(null);
      } else if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        send();
      }
    });
    this.body.replaceChildren(field);
    this.foot.replaceChildren(element('button', {type: 'button', class: 'small main', onclick: send}, 'Send again'),
                              element('button', {type: 'button', class: 'small', onclick: () => end(null)}, 'Cancel'));
    field.focus();
  }
}
