// Delays changes while a mouse button or a finger is down. A change in between could move or remove the pressed element. The
// browser would then drop the click, or send it to another element.

const longest = 5000; // ms; the browser does not report every release, for example over the list of a select
const toClick = 100; // ms; on a touch screen, the click follows the release

let timer = 0; // set while something is pressed
let end = () => {};
let pressed = Promise.resolve();

const endAfter = (ms) => {
  clearTimeout(timer);
  timer = setTimeout(() => {
    timer = 0;
    end();
  }, ms);
};

window.addEventListener('pointerdown', () => {
  if (!timer) pressed = new Promise((resolve) => { end = resolve; });
  endAfter(longest);
}, { capture: true });

for (const type of ['pointerup', 'pointercancel']) {
  window.addEventListener(type, () => { if (timer) endAfter(toClick); }, { capture: true });
}

/** released resolves as soon as nothing is pressed. */
export const released = () => pressed;
