// Builds elements from text and properties only: nothing here ever parses HTML, so what a model or
// a user wrote stays text.

export const byId = (id) => document.getElementById(id);

// element('button', {class: 'plain', onclick: f, 'aria-label': 'Copy'}, 'Copy', otherElement)
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) {
      node.addEventListener(name.slice(2), value);
    } else {
      node.setAttribute(name, value === true ? '' : String(value));
    }
  }
  node.append(...children);
  return node;
}

export function svgElement(tag, attributes = {}, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

// A button that copies what `text()` gives and says that it did.
export function copyButton(text, label = 'Copy') {
  const button = element('button', {type: 'button', class: 'small'}, label);
  button.addEventListener('click', async () => {
    let done = 'Copied';
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      done = copyBySelection(text()) ? 'Copied' : 'Not copied';
    }
    button.textContent = done;
    setTimeout(() => { button.textContent = label; }, 1500);
  });
  return button;
}

// The clipboard interface exists in secure contexts only, and a server in the next room is none.
function copyBySelection(text) {
  const area = element('textarea', {class: 'unseen', 'aria-hidden': 'true'});
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  return copied;
}

// A button that acts on its second press, for what cannot be undone.
export function guarded(button, act) {
  const label = button.textContent;
  let armed = false;
  const disarm = () => {
    armed = false;
    button.textContent = label;
    button.classList.remove('armed');
  };
  button.addEventListener('blur', disarm);
  button.addEventListener('click', () => {
    if (armed) {
      disarm();
      act();
      return;
    }
    armed = true;
    button.textContent = 'Press again';
    button.classList.add('armed');
  });
}
