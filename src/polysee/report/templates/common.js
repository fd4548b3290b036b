
// What pages share. It opens the function that the page's own script closes.
(() => {
  "use strict";
  const all = (what, where = document) => [...where.querySelectorAll(what)];
  const one = (what) => document.querySelector(what);
  const root = document.documentElement;

  // Pages opened from a disk may have no storage; the theme is then chosen anew each time.
  const memory = {
    get: (key) => { try { return localStorage.getItem(key); } catch { return null; } },
    set: (key, value) => { try { localStorage.setItem(key, value); } catch { return; } },
  };
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const saved = memory.get("polysee-theme");
  if (saved === "dark" || saved === "light") root.dataset.theme = saved;
  const theme = one("#theme");
  theme.hidden = false;
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    memory.set("polysee-theme", root.dataset.theme);
  });
