import type { Connection, ConnectionHandlers } from './Connection.js';
import { setDeadline } from './deadline.js';
import { ProtocolError } from './errors.js';
import {
  bool,
  type Check,
  integer,
  nullable,
  oneOf,
  optional,
  type Shaped,
  shape,
  text,
} from './fields.js';
import { checkStreamFormat, type StreamFormat } from './format.js';
import { limits, protocolVersion } from './limits.js';

export const roles = ['source', 'sink', 'control', 'pipeline'] as const;
/** source sends packets, sink receives them, control asks; pipeline is a child of the daemon. */
export type Role = (typeof roles)[number];

const helloFields = {
  protocol: integer(0, 0xffff),
  role: oneOf(roles),
  /** Who the client is, for logs and status. */
  client: text(),
  /** A source: take the place of the one that plays now. */
  takeover: optional(bool),
};
export type Hello = Shaped<typeof helloFields>;

/**
 * Before it is said: it is refused each time that it is.
 *
 * @throws ProtocolError BAD_PARAMS, naming the field.
 */
export function checkHello(hello: Omit<Hello, 'protocol'>): void {
  shape(helloFields)({ ...hello, protocol: protocolVersion }, 'options');
}

/** A role of another socket passes, to be refused as that. What is none is told this socket's. */
function roleFor(accepted: readonly Role[]): Check<Role> {
  return (value, path) => roles.find((role) => role === value) ?? oneOf(accepted)(value, path);
}

const anyCount = integer(0, Number.MAX_SAFE_INTEGER);
const checkWelcome = shape({
  protocol: integer(protocolVersion, protocolVersion),
  server: shape({ name: text(), version: text(), pid: anyCount }),
  /** The stream's format; nil on the control socket. */
  stream: nullable(checkStreamFormat),
  limits: shape({
    messageBytesMax: anyCount,
    packetPayloadBytesMax: anyCount,
    sendQueueMs: anyCount,
  }),
});
/** The reply to hello. */
export type Welcome = ReturnType<typeof checkWelcome>;

export function welcome(
  server: { name: string; version: string },
  stream: StreamFormat | null,
): Welcome {
  return {
    protocol: protocolVersion,
    server: { ...server, pid: process.pid },
    stream,
    limits: {
      messageBytesMax: limits.messageBytesMax,
      packetPayloadBytesMax: limits.packetPayloadBytesMax,
      sendQueueMs: limits.sendQueueMs,
    },
  };
}

/** Decides on a hello: the reply, and who handles the connection from then on. Throws to refuse. */
export type OnHello = (hello: Hello) => { reply: unknown; handlers: ConnectionHandlers };

function helloExpected(got: string): ProtocolError {
  const text = `the first message must be the request hello of protocol ${protocolVersion}, not ${got}`;
  return new ProtocolError('HELLO_EXPECTED', text, { protocol: protocolVersion });
}

/** Checks the fields of a hello; another protocol version is refused with both named. */
export function readHello(params: unknown, accepted: readonly Role[]): Hello {
  const theirs = (params as { protocol?: unknown } | null)?.protocol;
  if (Number.isInteger(theirs) && theirs !== protocolVersion) {
    throw new ProtocolError(
      'PROTOCOL_VERSION',
      `protocol ${theirs} was asked for, this server speaks ${protocolVersion}`,
      { asked: theirs, protocol: protocolVersion },
    );
  }
  const hello = shape({ ...helloFields, role: roleFor(accepted) })(params, 'hello');
  if (accepted.includes(hello.role)) return hello;
  const text = `role ${hello.role} does not belong on this socket, ${accepted.join(' or ')} does`;
  throw new ProtocolError('ROLE_REFUSED', text, { roles: [...accepted] });
}

/**
 * The server's side of a new connection until its hello: anything else first, or too late, is a
 * typed error and a close.
 *
 * @param onGone the connection closed before a hello was accepted.
 * @param deadlineMs from `bind` until the hello.
 */
export function awaitHello(
  accepted: readonly Role[],
  onHello: OnHello,
  onGone: () => void,
  deadlineMs: number = limits.helloDeadlineMs,
): { handlers: ConnectionHandlers; bind(connection: Connection): void } {
  let connection: Connection | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isAwaited = true;
  const endWaiting = (): void => {
    isAwaited = false;
    clearTimeout(timer);
  };
  const refuse = (error: ProtocolError): void => connection?.fail(error);
  const handlers: ConnectionHandlers = {
    onRequest(method, params) {
      if (method !== 'hello') {
        refuse(helloExpected(`the request ${method}`));
        return null;
      }
      endWaiting();
      try {
        const decided = onHello(readHello(params, accepted));
        if (connection) connection.handlers = decided.handlers;
        return decided.reply;
      } catch (error) {
        connection?.endAfterAnswer();
        throw error;
      }
    },
    onNotification: (method) => refuse(helloExpected(`the notification ${method}`)),
    onPacket: () => refuse(helloExpected('audio')),
    onClose() {
      endWaiting();
      onGone();
    },
  };
  return {
    handlers,
    bind(bound) {
      connection = bound;
      const expire = (): void => {
        const text = `no hello within ${deadlineMs} ms`;
        if (isAwaited) refuse(new ProtocolError('DEADLINE_EXCEEDED', text));
      };
      timer = setDeadline(expire, deadlineMs);
    },
  };
}

/**
 * The client's side: asks, and gives the reply. `onWelcome` is called with it too, before anything
 * that follows it on the wire.
 */
export function sayHello(
  connection: Connection,
  hello: Omit<Hello, 'protocol'>,
  onWelcome: (welcome: Welcome) => void = () => undefined,
): Promise<Welcome> {
  return new Promise((resolve, reject) => {
    const params = { protocol: protocolVersion, ...hello };
    connection.ask('hello', params, limits.helloDeadlineMs, {
      resolve(reply) {
        try {
          const checked = checkWelcome(reply, 'welcome');
          onWelcome(checked);
          resolve(checked);
        } catch (error) {
          reject(error);
        }
      },
      reject,
    });
  });
}
