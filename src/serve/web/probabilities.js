// An answer token by token, each shaded by how likely the model held it; pointing at one, or moving
// to it with the arrow keys, shows what else it might have said.

import {byId, element} from './element.js';

// Class of a token: t0 sure ... t4 surprising. Lines under the last two, for eyes that do not tell
// the colours apart.
const kLevels = [0.9, 0.6, 0.3, 0.1];

const levelOf = (probability) => {
  const level = kLevels.findIndex((bound) => probability >= bound);
  return level < 0 ? kLevels.length : level;
};

const percent = (probability) => probability >= 0.0995 ? `${(100 * probability).toFixed(0)} %`
  : probability >= 0.0005 ? `${(100 * probability).toFixed(1)} %` : '< 0.1 %';

// Spaces and line ends as signs.
const visible = (text) => text.replaceAll(' ', '·').replaceAll('\n', '↵').replaceAll('\t', '→') || '(empty)';
const spoken = (text) => text === '\n' ? 'line end' : text.trim() || 'space';

// Of one entry of a chunk's logprobs.content.
export const tokenOf = (entry) => ({
  text: entry.token,
  probability: Math.exp(entry.logprob),
  top: (entry.top_logprobs ?? []).map((other) => ({text: other.token, probability: Math.exp(other.logprob)})),
});

// One box for all answers.
class Alternatives {
  constructor() { this.box = byId('alternatives'); }

  show(span, token) {
    const own = {text: token.text, probability: token.probability};
    const listed = token.top.some((other) => other.text === token.text);
    const rows = (listed ? token.top : [own, ...token.top]).map((other) => {
      const bar = element('span', {class: 'bar'});
      bar.style.width = `${Math.max(1, 100 * other.probability)}%`;
      return element('tr', {class: other.text === token.text && 'chosen'},
                     element('td', {}, element('code', {}, visible(other.text))),
                     element('td', {class: 'n'}, percent(other.probability)),
                     element('td', {class: 'bar-cell'}, bar));
    });
    this.box.replaceChildren(element('table', {}, element('caption', {}, 'What the model held likely here'),
                                     element('tbody', {}, ...rows)));
    this.box.hidden = false;
    const at = span.getClientRects()[0] ?? span.getBoundingClientRect();
    const {offsetWidth: width, offsetHeight: height} = this.box;
    const left = Math.max(8, Math.min(at.left, document.documentElement.clientWidth - width - 8));
    const below = at.bottom + 6 + height <= window.innerHeight;
    this.box.style.left = `${left}px`;
    this.box.style.top = `${below ? at.bottom + 6 : Math.max(8, at.top - height - 6)}px`;
  }

  hide() { this.box.hidden = true; }
}

let shared = null;
const alternatives = () => (shared ??= new Alternatives());
export const hideAlternatives = () => alternatives().hide();

let count = 0;

// An element that shows growing tokens.
export class TokenView {
  #tokens = [];
  #active = -1;

  constructor() {
    this.id = `tokens-${++count}`;
    this.node = element('div', {
      class: 'tokens', tabindex: '0', role: 'listbox', 'aria-orientation': 'horizontal',
      'aria-label': 'Tokens with their probabilities; the arrow keys move',
    });
    this.node.addEventListener('pointerover', (event) => this.#point(event.target));
    this.node.addEventListener('click', (event) => this.#point(event.target));
    this.node.addEventListener('pointerleave', hideAlternatives);
    this.node.addEventListener('blur', () => this.#activate(-1));
    this.node.addEventListener('focus', () => this.#activate(Math.max(0, this.#active)));
    this.node.addEventListener('keydown', (event) => this.#key(event));
  }

  update(tokens) {
    for (const token of tokens.slice(this.#tokens.length)) {
      const index = this.#tokens.push(token) - 1;
      this.node.append(element('span', {
        class: `t${levelOf(token.probability)}`, role: 'option', id: `${this.id}-${index}`,
        'aria-selected': 'false', 'aria-label': `${spoken(token.text)}, ${percent(token.probability)}`,
      }, token.text));
    }
  }

  #point(target) {
    const index = [...this.node.children].indexOf(target);
    if (index >= 0) alternatives().show(target, this.#tokens[index]);
  }

  #activate(index) {
    const spans = this.node.children;
    spans[this.#active]?.setAttribute('aria-selected', 'false');
    if (!spans[index]) {
      this.node.removeAttribute('aria-activedescendant');
      hideAlternatives();
      return;
    }
    this.#active = index;
    spans[index].setAttribute('aria-selected', 'true');
    this.node.setAttribute('aria-activedescendant', spans[index].id);
    spans[index].scrollIntoView({block: 'nearest'});
    alternatives().show(spans[index], this.#tokens[index]);
  }

  #key(event) {
    const last = this.#tokens.length - 1;
    const to = {ArrowRight: this.#active + 1, ArrowLeft: this.#active - 1, ArrowDown: this.#active + 10,
                ArrowUp: this.#active - 10, Home: 0, End: last}[event.key];
    if (event.key === 'Escape') hideAlternatives();
    if (to === undefined) return;
    event.preventDefault();
    this.#activate(Math.max(0, Math.min(last, to)));
  }
}
