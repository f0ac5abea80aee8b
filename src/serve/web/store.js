// What the browser keeps: conversations and settings in localStorage, the API key in
// sessionStorage only, so that it is gone with the tab. A browser that refuses to store is no error:
// the page then forgets on reload.

const kConversations = 'octavo.conversations.1';
const kSettings = 'octavo.settings.1';
const kKey = 'octavo.key';
const kMostConversations = 50;

function read(storage, name, fallback) {
  try {
    return JSON.parse(storage().getItem(name)) ?? fallback;
  } catch {
    return fallback;
  }
}

function write(storage, name, value) {
  try {
    storage().setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

// Functions, as even naming the storage throws where cookies are forbidden.
const local = () => window.localStorage;
const session = () => window.sessionStorage;

export const apiKey = {
  get: () => read(session, kKey, ''),
  set: (value) => write(session, kKey, value),
};

export const settings = {
  get: () => {
    const stored = read(local, kSettings, {});
    return typeof stored === 'object' && !Array.isArray(stored) ? stored : {};
  },
  set: (value) => write(local, kSettings, value),
};

const isMessage = (message) => message !== null && typeof message === 'object' &&
    ['user', 'assistant'].includes(message.role) && typeof message.content === 'string';

const isConversation = (one) => one !== null && typeof one === 'object' &&
    Array.isArray(one.messages) && one.messages.every(isMessage);

export function newConversation() {
  return {id: `${Date.now()}-${Math.floor(Math.random() * 1e9)}`, started: Date.now(), messages: []};
}

// All conversations, the one in view first.
export class Conversations {
  constructor() {
    const stored = read(local, kConversations, []);
    this.all = Array.isArray(stored) ? stored.filter(isConversation) : [];
    if (!this.all.length) this.all = [newConversation()];
  }

  get current() { return this.all[0]; }

  // An empty conversation is used again.
  begin() {
    if (this.current.messages.length) {
      const empty = this.all.findIndex((one) => !one.messages.length);
      this.all.unshift(empty > 0 ? this.all.splice(empty, 1)[0] : newConversation());
    }
    this.save();
  }

  show(id) {
    const at = this.all.findIndex((one) => one.id === id);
    if (at > 0) this.all.unshift(...this.all.splice(at, 1));
    this.save();
  }

  remove() {
    this.all.shift();
    if (!this.all.length) this.all.push(newConversation());
    this.save();
  }

  // Fields whose names begin with '_' live as long as the page only. When the browser's space is
  // used up the oldest conversations go.
  save() {
    this.all = this.all.slice(0, kMostConversations);
    for (let kept = this.all.length; kept > 0; --kept) {
      const plain = this.all.slice(0, kept).map((one) => ({
        ...one, messages: one.messages.map((message) => Object.fromEntries(
            Object.entries(message).filter(([name]) => !name.startsWith('_'))))}));
      if (write(local, kConversations, plain)) return;
    }
  }
}

export function titleOf(conversation) {
  const first = conversation.messages.find((message) => message.role === 'user');
  const text = first ? first.content.trim().replace(/\s+/g, ' ') : 'New conversation';
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
