/** What the status bar says in each state. Pure: tested without an editor. */

export type State =
  | { kind: 'off'; why: string }
  | { kind: 'starting' }
  | { kind: 'loading'; message: string; percent?: number }
  | { kind: 'missing'; message: string }
  | { kind: 'ready' }
  | { kind: 'thinking' }
  | { kind: 'quiet'; why: string }
  | { kind: 'error'; message: string };

export interface Shown {
  text: string;
  tooltip: string;
  tone: 'normal' | 'warning' | 'error';
}

export function show(state: State): Shown {
  switch (state.kind) {
    case 'off':
      return { text: '$(circle-slash) fimls', tooltip: `Off: ${state.why}`, tone: 'normal' };
    case 'starting':
      return { text: '$(loading~spin) fimls', tooltip: 'Starting the server', tone: 'normal' };
    case 'loading': {
      const percent = state.percent === undefined ? '' : ` ${Math.round(state.percent)} %`;
      return { text: `$(loading~spin) fimls${percent}`, tooltip: state.message, tone: 'normal' };
    }
    case 'missing':
      return { text: '$(cloud-download) fimls', tooltip: `${state.message}. Click to fetch it.`, tone: 'warning' };
    case 'ready':
      return { text: '$(sparkle) fimls', tooltip: 'Ready', tone: 'normal' };
    case 'thinking':
      return { text: '$(loading~spin) fimls', tooltip: 'Thinking', tone: 'normal' };
    case 'quiet':
      return { text: '$(sparkle) fimls', tooltip: `No suggestion here: ${state.why}`, tone: 'normal' };
    case 'error':
      return { text: '$(error) fimls', tooltip: state.message, tone: 'error' };
  }
}
