/** Dark or light: as the system has it, until somebody chooses. */
const KEY = 'salvor-theme';

type Theme = 'dark' | 'light';

export function applyTheme(): void {
  const chosen = localStorage.getItem(KEY);
  if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
}

export function theme(): Theme {
  const chosen = document.documentElement.dataset.theme;
  if (chosen === 'dark' || chosen === 'light') return chosen;
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

export function toggleTheme(): void {
  localStorage.setItem(KEY, theme() === 'dark' ? 'light' : 'dark');
  applyTheme();
}
