// A turn of the event loop: setImmediate where the host has it, a message where it has not. A timer is the last resort: it
// crawls in a hidden tab, and never fires under a test's fake timers.

/** A turn that has been asked for. It keeps the process alive only once `ref` has been called. */
export interface Turn {
  ref?(): void;
}

type Ask = (callback: () => void) => Turn;
type SetImmediate = (callback: () => void) => Turn & { unref?(): void };

interface Port extends Turn {
  onmessage: (() => void) | null;
  postMessage(message: unknown): void;
  close(): void;
  unref?(): void;
}
interface Host {
  readonly process?: {
    getBuiltinModule?(name: 'timers'): { readonly setImmediate?: SetImmediate } | undefined;
  };
  readonly setImmediate?: SetImmediate;
  readonly clearImmediate?: (handle: unknown) => void;
  readonly MessageChannel?: new () => { readonly port1: Port; readonly port2: Port };
  readonly setTimeout: (callback: () => void) => unknown;
}

// Chosen once, so that a test's fake timers that come later do not stop a pool.
const host = globalThis as unknown as Host;

/** Calls back once timers and I/O have had their turn. */
export const requestTurn: Ask = byImmediate() ?? byMessage() ?? byTimer;

function byImmediate(): Ask | undefined {
  for (const setImmediate of [host.process?.getBuiltinModule?.('timers')?.setImmediate, host.setImmediate]) {
    if (!isReal(setImmediate)) continue;
    return (callback) => {
      const immediate = setImmediate(callback);
      immediate.unref?.();
      return immediate;
    };
  }
  return undefined;
}

/** A test's fake returns a number, or an object of its own; Node, Bun and Deno an Immediate. */
function isReal(setImmediate: SetImmediate | undefined): setImmediate is SetImmediate {
  if (typeof setImmediate !== 'function') return false;
  const handle = setImmediate(() => undefined) as object | null;
  host.clearImmediate?.(handle);
  return handle?.constructor.name === 'Immediate';
}

function byMessage(): Ask | undefined {
  const { MessageChannel } = host;
  if (typeof MessageChannel !== 'function') return undefined;
  return (callback) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      callback();
    };
    port1.unref?.();
    port2.postMessage(undefined);
    return port1;
  };
}

function byTimer(callback: () => void): Turn {
  host.setTimeout(callback);
  return {};
}
