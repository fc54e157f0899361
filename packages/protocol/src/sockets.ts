import { strict as assert } from 'node:assert';
import net from 'node:net';
import { ProtocolError } from './errors.js';
import { limits } from './limits.js';
import { type OnMessage, ReceiveBuffer } from './ReceiveBuffer.js';

/** Where a connection's bytes come from. One of the three ways a process here gets a socket. */
export type SocketSource =
  /** Connect to a listening Unix socket. */
  | { path: string }
  /** A socket that was inherited under this number. */
  | { fd: number }
  /** A socket that a `net.Server` with `pauseOnConnect` accepted, or a child's stdio socket. */
  | { accepted: net.Socket };

/**
 * Opens a socket that reads straight into `receive`, which spares Node's 64 KiB allocation a
 * read. Node offers `onread` only where the socket is created, so that of an accepted socket its
 * handle is moved to a new one: the one place that touches Node's internals.
 *
 * @param onMessage may throw: a ProtocolError goes to `onError`, and reading stops.
 */
export function openSocket(
  source: SocketSource,
  onMessage: OnMessage,
  onError: (error: ProtocolError) => void,
): net.Socket {
  const receive = new ReceiveBuffer();
  const onread = {
    buffer: () => receive.writable(),
    callback: (count: number) => {
      try {
        receive.received(count, onMessage);
        return true;
      } catch (error) {
        // What the other end did wrong ends its connection; a bug of ours ends the process.
        if (!(error instanceof ProtocolError)) throw error;
        onError(error);
        return false;
      }
    },
  };
  if ('path' in source) return net.connect({ path: source.path, onread });
  if ('fd' in source) return openWith({ fd: source.fd, onread });
  const holder = source.accepted as unknown as { _handle: unknown };
  const handle = holder._handle;
  assert(handle, 'an accepted socket has a handle until it is adopted');
  holder._handle = null;
  source.accepted.destroy();
  return openWith({ handle, onread });
}

function openWith(options: object): net.Socket {
  return new net.Socket({ ...options, readable: true, writable: true });
}

/** @throws Error naming path and limit where the path does not fit in sun_path. */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= limits.socketPathBytesMax) return;
  throw new Error(
    `socket path of ${bytes} bytes, ${limits.socketPathBytesMax} is the limit: ${path}`,
  );
}
