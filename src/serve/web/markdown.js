// The part of Markdown that models write, as elements. Text is only ever set as text: there is no
// way from an answer to a tag, an attribute other than an http(s) link, or an image (which would
// tell a stranger's server that it was looked at). Every loop moves forward and every search that
// failed is remembered, so that no answer takes more than linear time.

import {copyButton, element} from './element.js';

const kMostDepth = 6;
const kFence = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const kHeading = /^ {0,3}(#{1,6})\s+(.*)$/;
const kRule = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const kItem = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const kQuote = /^ {0,3}> ?(.*)$/;
const kTableRule = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

const isTableStart = (lines, i) => i + 1 < lines.length && lines[i].includes('|') &&
    lines[i + 1].includes('-') && lines[i + 1].includes('|') && kTableRule.test(lines[i + 1]);

const startsBlock = (lines, i) => kFence.test(lines[i]) || kHeading.test(lines[i]) ||
    kRule.test(lines[i]) || kItem.test(lines[i]) || kQuote.test(lines[i]) || isTableStart(lines, i);

// {kind, lines, ...} in order. Each takes at least one line.
function blocksOf(lines) {
  const blocks = [];
  let i = 0;
  const take = (kind, count, more = {}) => {
    blocks.push({kind, lines: lines.slice(i, i + count), ...more});
    i += count;
  };
  const span = (holds) => {
    let count = 1;
    while (i + count < lines.length && holds(i + count)) ++count;
    return count;
  };
  while (i < lines.length) {
    const line = lines[i];
    const fence = kFence.exec(line);
    if (!line.trim()) {
      ++i;
    } else if (fence) {
      const closes = (text) => {
        const bare = text.trim();
        return bare.length >= fence[1].length && bare === fence[1][0].repeat(bare.length);
      };
      const inside = span((j) => !closes(lines[j]));
      take('code', Math.min(inside + 1, lines.length - i),
           {language: fence[2], text: lines.slice(i + 1, i + inside).join('\n')});
    } else if (kHeading.test(line)) {
      take('heading', 1);
    } else if (kRule.test(line)) {
      take('rule', 1);
    } else if (kQuote.test(line)) {
      take('quote', span((j) => kQuote.test(lines[j])));
    } else if (kItem.test(line)) {
      take('list', span((j) => kItem.test(lines[j]) || /^\s{2,}\S/.test(lines[j]) ||
          (!lines[j].trim() && j + 1 < lines.length && (kItem.test(lines[j + 1]) || /^\s{2,}\S/.test(lines[j + 1])))));
    } else if (isTableStart(lines, i)) {
      take('table', span((j) => lines[j].includes('|')));
    } else {
      take('paragraph', span((j) => lines[j].trim() && !startsBlock(lines, j)));
    }
  }
  return blocks;
}

const kMarks = [['**', 'strong'], ['__', 'strong'], ['~~', 's'], ['*', 'em'], ['_', 'em']];
const isWord = (c) => c !== undefined && /[\p{L}\p{N}]/u.test(c);

class Inline {
  constructor(text, depth) {
    this.text = text;
    this.depth = depth;
    this.absent = new Map();  // what does not occur any more from this place on
    this.out = [];
    this.plain = '';
  }

  // Where `what` comes next from `from` on, or -1.
  find(what, from) {
    if (this.absent.get(what)) return -1;
    const at = this.text.indexOf(what, from);
    if (at < 0) this.absent.set(what, true);
    return at;
  }

  add(node) {
    if (this.plain) this.out.push(this.plain);
    this.plain = '';
    if (node) this.out.push(node);
  }

  run() {
    for (let i = 0; i < this.text.length;) {
      const next = this.code(i) ?? this.link(i) ?? this.address(i) ?? this.mark(i);
      if (next === undefined) this.plain += this.text[i];
      i = next ?? i + 1;
    }
    this.add(null);
    return this.out;
  }

  code(i) {
    if (this.text[i] !== '`') return undefined;
    const ticks = /^`+/.exec(this.text.slice(i, i + 8))[0];
    const end = this.find(ticks, i + ticks.length);
    if (end < 0) return undefined;
    this.add(element('code', {}, this.text.slice(i + ticks.length, end)));
    return end + ticks.length;
  }

  link(i) {
    if (this.text[i] !== '[') return undefined;
    const middle = this.find('](', i);
    const end = middle < 0 ? -1 : this.find(')', middle);
    if (end < 0 || this.depth >= kMostDepth || middle - i > 1000) return undefined;
    const href = safeAddress(this.text.slice(middle + 2, end).trim().split(/\s/)[0]);
    if (!href) return undefined;
    this.add(anchor(href, inline(this.text.slice(i + 1, middle), this.depth + 1)));
    return end + 1;
  }

  address(i) {
    if (this.text[i] !== 'h' || isWord(this.text[i - 1])) return undefined;
    const found = /^https?:\/\/[^\s<>"'`)\]]+[^\s<>"'`)\].,;:!?*_]/.exec(this.text.slice(i, i + 2000));
    const href = found && safeAddress(found[0]);
    if (!href) return undefined;
    this.add(anchor(href, [found[0]]));
    return i + found[0].length;
  }

  mark(i) {
    for (const [mark, tag] of kMarks) {
      if (!this.text.startsWith(mark, i)) continue;
      const after = this.text[i + mark.length];
      if (after === undefined || /\s/.test(after) || this.depth >= kMostDepth) return undefined;
      if (mark[0] === '_' && isWord(this.text[i - 1])) return undefined;
      const end = this.find(mark, i + mark.length + 1);
      if (end < 0 || /\s/.test(this.text[end - 1])) continue;
      if (mark[0] === '_' && isWord(this.text[end + mark.length])) return undefined;
      this.add(element(tag, {}, ...inline(this.text.slice(i + mark.length, end), this.depth + 1)));
      return end + mark.length;
    }
    return undefined;
  }
}

const inline = (text, depth = 0) => new Inline(text, depth).run();

function safeAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : null;
  } catch {
    return null;
  }
}

const anchor = (href, children) =>
  element('a', {href, rel: 'noopener noreferrer nofollow', target: '_blank'}, ...children);

function codeBlock(block) {
  const code = element('code', {}, block.text);
  const head = element('div', {class: 'code-head'}, element('span', {}, block.language || 'code'),
                       copyButton(() => block.text, 'Copy code'));
  const label = `${block.language || ''} code`.trim();
  return element('div', {class: 'code'}, head, element('pre', {tabindex: '0', role: 'region', 'aria-label': label}, code));
}

const indentOf = (line) => /^\s*/.exec(line)[0].length;

function list(block, depth) {
  const base = indentOf(block.lines[0]);
  const items = [];
  for (const line of block.lines) {
    const found = kItem.exec(line);
    if (found && indentOf(line) <= base + 1) {
      items.push({first: found[3], rest: []});
    } else {
      items.at(-1).rest.push(line.slice(Math.min(indentOf(line), base + 2)));
    }
  }
  const start = parseInt(kItem.exec(block.lines[0])[2], 10);
  const tag = Number.isNaN(start) ? 'ul' : 'ol';
  return element(tag, {start: start > 1 && start}, ...items.map((item) =>
    element('li', {}, ...inline(item.first), ...render(item.rest, depth + 1))));
}

const cells = (line) => line.trim().replace(/^\||\|$/g, '').split('|').map((cell) => cell.trim());

function table(block) {
  const head = cells(block.lines[0]);
  const row = (tag, line) => element('tr', {}, ...head.map((_, i) =>
    element(tag, {scope: tag === 'th' && 'col'}, ...inline(cells(line)[i] ?? ''))));
  return element('div', {class: 'wide'}, element('table', {},
      element('thead', {}, row('th', block.lines[0])),
      element('tbody', {}, ...block.lines.slice(2).map((line) => row('td', line)))));
}

function paragraph(lines) {
  const parts = lines.flatMap((line, i) => (i ? [element('br'), ...inline(line.trim())] : inline(line.trim())));
  return element('p', {}, ...parts);
}

function blockElement(block, depth) {
  if (depth >= kMostDepth) return paragraph(block.lines);
  switch (block.kind) {
    case 'code': return codeBlock(block);
    case 'rule': return element('hr');
    case 'list': return list(block, depth);
    case 'table': return table(block);
    case 'quote': return element('blockquote', {}, ...render(block.lines.map((l) => kQuote.exec(l)[1]), depth + 1));
    case 'heading': {
      const found = kHeading.exec(block.lines[0]);
      // Below the page's own headings, so that a screen reader's outline stays right.
      return element(`h${Math.min(6, found[1].length + 3)}`, {}, ...inline(found[2].replace(/\s+#+\s*$/, '')));
    }
    default: return paragraph(block.lines);
  }
}

const render = (lines, depth = 0) => blocksOf(lines).map((block) => blockElement(block, depth));

// An element that shows a growing text: only what changed since the last time is built again.
export class MarkdownView {
  #shown = [];

  constructor() { this.node = element('div', {class: 'markdown'}); }

  update(text) {
    const blocks = blocksOf(text.split('\n'));
    const keys = blocks.map((block) => block.lines.join('\n'));
    let same = 0;
    while (same < keys.length && keys[same] === this.#shown[same]) ++same;
    while (this.node.children.length > same) this.node.lastChild.remove();
    this.node.append(...blocks.slice(same).map((block) => blockElement(block, 0)));
    this.#shown = keys;
  }
}
