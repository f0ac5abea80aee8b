// The blocks of the cache as a picture: a square for each, or for some neighbours where there are
// many. A canvas, as thousands of squares change every second.

import {element} from './element.js';
import {shortNumber} from './plots.js';

const kUses = [
  {code: 'u', name: 'in use', field: 'used', color: '--s0'},
  {code: 's', name: 'shared', field: 'shared', color: '--s3'},
  {code: 'c', name: 'cached', field: 'cached', color: '--s2'},
  {code: 'f', name: 'free', field: 'free', color: '--empty'},
];

export class BlockPicture {
  constructor() {
    this.canvas = element('canvas', {role: 'img', class: 'blocks'});
    this.legend = element('div', {class: 'legend'});
    this.note = element('p', {class: 'hint'});
    this.node = element('figure', {}, element('figcaption', {}, 'KV cache blocks'), this.legend, this.canvas, this.note);
  }

  // `blocks` of /engine/state, and the tokens that one holds.
  draw(blocks, blockTokens) {
    const {cells, total} = blocks;
    const width = Math.max(200, this.canvas.getBoundingClientRect().width || 320);
    const side = Math.max(4, Math.min(18, Math.floor(Math.sqrt((width * 150) / Math.max(1, cells.length)))));
    const columns = Math.max(1, Math.floor(width / side));
    const height = Math.max(side, Math.ceil(cells.length / columns) * side);
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.height = `${height}px`;
    const style = getComputedStyle(document.documentElement);
    const colors = Object.fromEntries(kUses.map((use) => [use.code, style.getPropertyValue(use.color).trim()]));
    const pen = this.canvas.getContext('2d');
    pen.scale(ratio, ratio);
    for (let i = 0; i < cells.length; ++i) {
      pen.fillStyle = colors[cells[i]] ?? colors.f;
      pen.fillRect((i % columns) * side, Math.floor(i / columns) * side, side - 1, side - 1);
    }
    this.legend.replaceChildren(...kUses.map((use) => element('span', {class: `key use-${use.code}`},
        `${use.name} `, element('b', {}, shortNumber(blocks[use.field])))));
    const spoken = kUses.map((use) => `${blocks[use.field]} ${use.name}`).join(', ');
    this.canvas.setAttribute('aria-label', `${total} blocks: ${spoken}`);
    const square = blocks.per_cell > 1 ? `${blocks.per_cell} blocks` : 'one block';
    this.note.textContent = `A square is ${square} of ${blockTokens} tokens; ${shortNumber(total)} blocks in all. ` +
        'Cached blocks hold beginnings of prompts that may come again; they are taken when no free ones are left.';
  }
}
