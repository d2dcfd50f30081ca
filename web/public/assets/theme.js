// Runs before the first paint, so that a theme chosen by hand does not flash in the other one.
try {
  const theme = JSON.parse(localStorage.getItem('wayside.prefs') || '{}').theme;
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // without storage the system's theme holds
}
