import { type Load, loadNative } from '../loadNative.js';

/** A connected socket as src/sys/UnixSocket.h exposes it; negative results are -errno. */
export interface AddonSocket {
  send(bytes: Uint8Array, start: number, end: number): number;
  sendPacket(bytes: Uint8Array, start: number, end: number): number;
  gate(): object;
  lend(): number;
  takeBack(next: number): void;
  wantRoom(): void;
  wantPacketRoom(): void;
  shutdown(): void;
  close(): void;
}

/** A listening socket as src/sys/UnixListener.h exposes it. */
export interface AddonListener {
  accepting(on: boolean): void;
  close(): void;
}

export type AddonPeer = { pid: number; uid: number; gid: number; groups: number[] };
export type AddonMachine = { pageBytes: number; memoryBytes: number };

export type Addon = {
  readonly UnixSocket: {
    new (fd: number, receive: Uint8Array, onEvent: (event: number) => number): AddonSocket;
    /** What onEvent is told where there is room to send. */
    readonly writable: number;
  };
  readonly UnixListener: new (fd: number, onAccept: (fd: number) => void) => AddonListener;
  listenUnix(path: string, mode: number, backlog: number): number;
  socketPair(): [number, number] | number;
  duplicate(fd: number): number;
  peer(fd: number): AddonPeer | number;
  lock(path: string): number;
  endWithParent(signal: number): number;
  processCpuMs(pid: number): number;
  machine(): AddonMachine;
  unmapUnused(): number;
};

let loaded: Addon | undefined;

/** Loads the addon, once. `load` is given in tests. Throws: see loadNative. */
export function loadAddon(load?: Load): Addon {
  if (load !== undefined) return loadNative('sys', [], load) as Addon;
  loaded ??= loadNative('sys', []) as Addon;
  return loaded;
}
