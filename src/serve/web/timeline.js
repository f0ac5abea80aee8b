// Each request as a bar over the last half minute: when it waited, read its prompt, wrote, and was
// set back. The server tells how long a request was in each state so far; what grew between two
// looks is where the bar grows.

import {element, svgElement} from './element.js';
import {shortTime} from './plots.js';

const kWindow = 30;       // seconds
const kMostRows = 40;
const kRow = 20, kTop = 20, kLabel = 96;
const kStates = ['waiting', 'prefill', 'preempted', 'decode'];

export class Timeline {
  constructor() {
    this.rows = new Map();  // by id: {id, tenant, begin, end, totals, segments, done}
    this.svg = svgElement('svg', {role: 'img', class: 'plot timeline'});
    this.list = element('tbody');
    const heads = ['Request', 'State', 'Prompt', 'Cached', 'Output', 'Blocks', 'Waited', 'Age'];
    this.table = element('details', {}, element('summary', {}, 'Requests as a table'),
        element('div', {class: 'wide', tabindex: '0', role: 'region', 'aria-label': 'Requests'},
            element('table', {}, element('thead', {}, element('tr', {}, ...heads.map((head) =>
              element('th', {scope: 'col'}, head)))), this.list)));
    this.note = element('p', {class: 'hint'});
    const legend = element('div', {class: 'legend'}, ...kStates.map((state) => element('span', {class: `key state-${state}`}, state)));
    this.node = element('figure', {class: 'whole'}, element('figcaption', {}, 'Requests'), legend, this.svg, this.note, this.table);
  }

  // One request's state totals at `time`; the bar grows by what they grew.
  #grow(row, totals, time) {
    const before = row.totals ?? Object.fromEntries(kStates.map((state) => [state, 0]));
    // The state it is in now comes last, the others in the order of a request's life.
    const order = kStates.filter((state) => state !== row.state);
    if (kStates.includes(row.state)) order.push(row.state);
    const grown = order.map((state) => [state, Math.max(0, totals[state] - before[state])]);
    let at = time - grown.reduce((sum, [, length]) => sum + length, 0);
    if (row.segments.length) at = Math.max(at, row.segments.at(-1).end);
    for (const [state, length] of grown) {
      if (length < 1e-6) continue;
      const last = row.segments.at(-1);
      if (last?.state === state && at - last.end < 0.05) last.end = at + length;
      else row.segments.push({state, begin: at, end: at + length});
      at += length;
    }
    row.totals = totals;
  }

  #take(view, time, totals, state) {
    let row = this.rows.get(view.id);
    if (row?.done) return;
    if (!row) {
      row = {id: view.id, segments: [], totals: null, done: false};
      this.rows.set(view.id, row);
    }
    Object.assign(row, {state, view, time});
    this.#grow(row, totals, time);
  }

  update(model) {
    const now = model.time_s;
    const totalsOf = (one) => ({waiting: one.waiting_s, prefill: one.prefill_s, decode: one.decode_s, preempted: one.preempted_s});
    for (const one of model.requests) this.#take(one, now, totalsOf(one), one.state);
    for (const one of model.ended) {
      this.#take(one, now - one.ago_s, totalsOf(one), one.reason);
      this.rows.get(one.id).done = true;
    }
    for (const [id, row] of this.rows) {
      if (row.time < now - kWindow) this.rows.delete(id);
    }
    this.#draw(now, model);
  }

  #draw(now, model) {
    const width = Math.max(280, this.svg.getBoundingClientRect().width || 320);
    const all = [...this.rows.values()].sort((a, b) => b.id - a.id);
    const shown = all.slice(0, kMostRows);
    const height = kTop + Math.max(1, shown.length) * kRow;
    const x = (time) => kLabel + (width - kLabel - 8) * (1 - (now - time) / kWindow);
    const parts = [];
    for (const ago of [30, 20, 10, 0]) {
      const anchor = ago === 30 ? 'start' : ago === 0 ? 'end' : 'middle';
      parts.push(svgElement('line', {class: 'axis', x1: x(now - ago), x2: x(now - ago), y1: kTop - 4, y2: height}));
      parts.push(svgElement('text', {x: x(now - ago), y: 12, 'text-anchor': anchor}, ago ? `−${ago} s` : 'now'));
    }
    shown.forEach((row, i) => parts.push(...this.#bar(row, kTop + i * kRow, x)));
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...parts);
    this.svg.setAttribute('aria-label', `Requests of the last ${kWindow} seconds: ${model.stats.running} running, ` +
        `${model.stats.waiting} waiting; the table below has their figures`);
    const more = all.length - shown.length + model.requests_left_out;
    this.note.textContent = !all.length ? 'No requests in the last half minute.' : more > 0 ? `${more} more are not drawn.` : '';
    this.#listRows(shown);
  }

  #bar(row, y, x) {
    const left = kLabel;
    const {view} = row;
    const told = `request ${row.id}${view.tenant ? ` of ${view.tenant}` : ''}: ${row.state}, ${view.prompt_tokens} + ${view.output_tokens} tokens`;
    const label = svgElement('text', {x: kLabel - 6, y: y + 13, 'text-anchor': 'end'}, `${row.id} ${row.done ? '' : '▸'}`);
    const rects = row.segments.filter((segment) => x(segment.end) > left).map((segment) => {
      const from = Math.max(left, x(segment.begin));
      return svgElement('rect', {class: `state-${segment.state}`, x: from, y: y + 3, height: kRow - 6,
                                 width: Math.max(1, x(segment.end) - from)},
                        svgElement('title', {}, `${told}; ${segment.state} for ${shortTime(segment.end - segment.begin)}`));
    });
    return [label, ...rects];
  }

  #listRows(rows) {
    if (!this.table.open) return;
    this.list.replaceChildren(...rows.map(({id, state, view, totals}) => element('tr', {}, ...[
      id, state, view.prompt_tokens, view.cached_tokens, view.output_tokens, view.blocks ?? '',
      shortTime(totals.waiting), shortTime(view.age_s ?? view.e2e_s)].map((cell, i) =>
        element('td', {class: i > 1 && 'n'}, String(cell))))));
  }
}
