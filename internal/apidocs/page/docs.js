// Search: shows the operations whose text has every word.
const input = document.querySelector('#search');
const found = document.querySelector('#found');
const articles = [...document.querySelectorAll('.group article')].map((el) => ({
  el,
  text: el.textContent.toLowerCase(),
  link: document.querySelector(`[data-op="${CSS.escape(el.id)}"]`),
}));

function search() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  let n = 0;
  for (const { el, text, link } of articles) {
    const hit = words.every((w) => text.includes(w));
    el.hidden = !hit;
    if (link) link.hidden = !hit;
    if (hit) n += 1;
  }
  for (const el of document.querySelectorAll('.group')) {
    el.hidden = !el.querySelector('article:not([hidden])');
  }
  found.textContent = words.length ? `${n} of ${articles.length} operations` : '';
}

input.disabled = false;
input.addEventListener('input', search);
document.addEventListener('keydown', (e) => {
  if (e.key === '/' && e.target !== input && !e.ctrlKey && !e.metaKey && !e.altKey) {
    e.preventDefault();
    input.focus();
  }
});
search();
