import client = require('@kvm-audio/client');

/** The same in CommonJS. Only compiled. */
export function use(path: string): client.SendResult {
  const listener = new client.Listener({ path, client: 'types' });
  listener.on('packet', (packet: client.AudioPacket) => client.copyPacket(packet).seq.toFixed());
  // @ts-expect-error: a talker sends payloads
  new client.Talker({ path, client: 'types' }).send({});
  return new client.Talker({ path, client: 'types' }).send({ payload: Buffer.alloc(1) });
}
