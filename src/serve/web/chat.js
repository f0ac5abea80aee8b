// The conversation: asking, streaming, stopping, asking again; and what is told when it fails.

import {streamChat} from './client.js';
import {byId, element, guarded} from './element.js';
import {MessageView} from './messages.js';
import {hideAlternatives, tokenOf} from './probabilities.js';
import {apiKey, Conversations, titleOf} from './store.js';

const kNearEnd = 80;  // pixels from the bottom within which the page follows the answer

export class Chat {
  #running = null;  // AbortController of the answer that streams
  #views = [];
  #countdown = null;
  #showsTokens = false;

  // `model()` names the model to ask; `onUnauthorized` leads to the key's field.
  constructor({settings, model, onUnauthorized}) {
    this.settings = settings;
    this.model = model;
    this.onUnauthorized = onUnauthorized;
    this.conversations = new Conversations();
    this.log = byId('log');
    this.text = byId('text');
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#send();
    });
    this.text.addEventListener('keydown', (event) => this.#key(event));
    this.text.addEventListener('input', () => this.#grow());
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.stop();
    });
    byId('stop').addEventListener('click', () => this.stop());
    byId('new-chat').addEventListener('click', () => this.#change(() => this.conversations.begin()));
    byId('export').addEventListener('click', () => this.#export());
    guarded(byId('delete-chat'), () => this.#change(() => this.conversations.remove()));
    byId('history').addEventListener('change', (event) => {
      const {value} = event.target;
      this.#change(() => this.conversations.show(value));
    });
    this.#showAll();
  }

  get messages() { return this.conversations.current.messages; }

  stop() { this.#running?.abort(); }

  #change(act) {
    this.stop();
    act();
    this.#tell('');
    this.#showAll();
    this.text.focus();
  }

  #key(event) {
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#send();
    } else if (event.key === 'ArrowUp' && !this.text.value) {
      event.preventDefault();
      this.#editLast();
    }
  }

  #grow() {
    this.text.style.height = 'auto';
    this.text.style.height = `${Math.min(this.text.scrollHeight + 2, window.innerHeight / 3)}px`;
  }

  #send() {
    const text = this.text.value.trim();
    if (!text || this.#running || !this.settings.valid()) return;
    this.text.value = '';
    this.#grow();
    // A question whose answer failed to begin is not asked twice: the new text follows it.
    this.messages.push({role: 'user', content: text});
    this.#answer();
  }

  #lastOwn() { return this.messages.findLastIndex((message) => message.role === 'user'); }

  #editLast() {
    const index = this.#lastOwn();
    if (index < 0 || this.#running) return;
    this.#views[index].edit((text) => {
      if (text === null) {
        this.#updateActs();
        this.text.focus();
        return;
      }
      this.messages.length = index;
      this.messages.push({role: 'user', content: text});
      this.#answer();
    });
  }

  #regenerate() {
    if (this.#running || !this.settings.valid()) return;
    this.messages.length = this.#lastOwn() + 1;
    this.#answer();
  }

  #showAll() {
    hideAlternatives();
    this.#views = [];
    this.log.replaceChildren();
    for (const message of this.messages) this.#append(message);
    byId('empty').hidden = this.messages.length > 0;
    this.#updateActs();
    this.#listHistory();
    this.log.scrollTop = this.log.scrollHeight;
  }

  #append(message) {
    const view = new MessageView(message, {showsTokens: this.#showsTokens});
    this.#views.push(view);
    this.log.append(view.node);
    return view;
  }

  // Only the end of a conversation can be changed, and not while it grows.
  #updateActs() {
    const own = this.#lastOwn(), last = this.messages.length - 1;
    this.#views.forEach((view, index) => {
      const still = !this.#running;
      view.setActs({
        edit: still && index === own && (() => this.#editLast()),
        regenerate: still && index === last && !view.mine && (() => this.#regenerate()),
        onTokens: (shown) => { this.#showsTokens = shown; },
      });
    });
    byId('export').disabled = byId('delete-chat').disabled = this.messages.length === 0;
  }

  #listHistory() {
    byId('history').replaceChildren(...this.conversations.all.map((one) =>
      element('option', {value: one.id}, titleOf(one))));
  }

  async #answer() {
    this.#tell('');
    this.#running = new AbortController();
    const conversation = this.conversations.current;
    const sent = [...this.settings.preamble(), ...this.messages.map(({role, content}) => ({role, content}))];
    const message = {role: 'assistant', content: '', _tokens: []};
    conversation.messages.push(message);
    this.conversations.save();
    this.#showAll();
    const view = this.#views.at(-1);
    view.setBusy(true);
    byId('send').hidden = true;
    byId('stop').hidden = false;
    let problem = null;
    try {
      await this.#stream(sent, message, view);
    } catch (error) {
      if (error.name === 'AbortError') message.finish = 'stopped';
      else problem = error;
    }
    this.#running = null;
    if (!message.content && (problem || message.finish === 'stopped')) {
      conversation.messages.splice(conversation.messages.indexOf(message), 1);
    }
    this.conversations.save();
    byId('send').hidden = false;
    byId('stop').hidden = true;
    if (conversation === this.conversations.current) this.#settle(message, view, problem);
  }

  #settle(message, view, problem) {
    view.setBusy(false);
    view.update();
    if (this.messages.includes(message)) this.#updateActs();
    else this.#showAll();
    if (problem) this.#tellProblem(problem);
    else this.#tell(message.finish === 'stopped' ? 'Stopped.' : 'The answer is complete.', {quiet: true});
    if (!problem || problem.kind !== 'unauthorized') this.text.focus({preventScroll: true});
  }

  async #stream(sent, message, view) {
    const begin = performance.now();
    let first = null, last = begin, frame = 0;
    const show = () => {
      frame = 0;
      const follow = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < kNearEnd;
      view.update();
      if (follow) this.log.scrollTop = this.log.scrollHeight;
    };
    const body = {...this.settings.parameters(), messages: sent, stream: true,
                  stream_options: {include_usage: true}};
    if (this.model()) body.model = message.model = this.model();
    try {
      for await (const chunk of streamChat(body, {key: apiKey.get(), signal: this.#running.signal})) {
        if (chunk.usage) message.usage = chunk.usage;
        const choice = chunk.choices?.[0];
        if (!choice) continue;
        if (choice.delta?.content || choice.logprobs) {
          last = performance.now();
          first ??= last;
        }
        message.content += choice.delta?.content ?? '';
        message._tokens.push(...(choice.logprobs?.content ?? []).map(tokenOf));
        if (choice.finish_reason) message.finish = choice.finish_reason;
        frame ||= requestAnimationFrame(show);
      }
    } finally {
      cancelAnimationFrame(frame);
      show();
      if (first !== null) message.first_s = (first - begin) / 1000;
      const more = (message.usage?.completion_tokens ?? 0) - 1;
      if (more > 0 && last > first) message.tokens_per_s = 1000 * more / (last - first);
    }
  }

  // `quiet`: for screen readers only.
  #tell(text, {quiet = false} = {}) {
    clearInterval(this.#countdown);
    byId('problem').hidden = true;
    byId('problem').replaceChildren();
    byId('status').textContent = quiet ? text : '';
  }

  #tellProblem(problem) {
    this.#tell('');
    const box = byId('problem');
    box.append(element('p', {}, problem.message));
    if (problem.kind === 'unauthorized') {
      this.onUnauthorized();
    } else if (problem.kind !== 'refused') {
      box.append(this.#retryButton(problem.retryAfter));
    }
    box.hidden = false;
  }

  // Asks again by hand; until the server's own time is over the label counts down.
  #retryButton(wait) {
    const again = this.messages.at(-1)?.role === 'assistant' ? 'Ask again' : 'Try again';
    const button = element('button', {type: 'button', onclick: () => this.#regenerate()}, again);
    let left = Math.ceil(wait ?? 0);
    const label = () => { button.textContent = left > 0 ? `${again} (best in ${left} s)` : again; };
    label();
    this.#countdown = setInterval(() => {
      left -= 1;
      label();
      if (left <= 0) clearInterval(this.#countdown);
    }, 1000);
    return button;
  }

  #export() {
    const {messages, started} = this.conversations.current;
    const plain = messages.map((message) => Object.fromEntries(
        Object.entries(message).filter(([name]) => !name.startsWith('_'))));
    const text = JSON.stringify({started: new Date(started || Date.now()).toISOString(),
                                 parameters: this.settings.parameters(),
                                 messages: [...this.settings.preamble(), ...plain]}, null, 2);
    const url = URL.createObjectURL(new Blob([text], {type: 'application/json'}));
    element('a', {href: url, download: 'conversation.json'}).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }
}
