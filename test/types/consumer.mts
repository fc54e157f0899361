import { ControlClient, Listener, type SendResult, Talker } from '@kvm-audio/client';

/** What a program in ESM may write, as the declarations have it. Only compiled. */
export async function use(path: string, signal: AbortSignal): Promise<SendResult> {
  const listener = new Listener({ path, client: 'types', signal });
  listener.on('connected', ({ frameMs }) => frameMs * 1);
  listener.on('disconnected', (error, retryMs) => `${error?.code} ${retryMs.toFixed()}`);
  // @ts-expect-error: there is no such event
  listener.on('conected', () => undefined);
  for await (const { payload } of listener.packets({ queueMs: 100, signal })) payload.at(0);
  const control = await ControlClient.open({ path, client: 'types', signal });
  const { output } = await control.call('status.get', {}, { deadlineMs: 100, signal });
  // @ts-expect-error: no level of that name
  await control.call('quality.set', { direction: 'input', level: 'best' });
  const talker = new Talker({ path, client: `types ${output.pid}`, takeover: true });
  talker.on('feedback', ({ lossPercent, jitterMs, playoutDelayMs }) =>
    talker.reportStats({
      framesReceived: 1,
      lossPercent,
      jitterMs,
      bufferMs: playoutDelayMs,
    }),
  );
  return talker.send({ payload: new Uint8Array(1) });
}
