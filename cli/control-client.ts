import { connect } from 'node:net';
import { DriveError, driveErrorCodes, type DriveErrorCode } from '../protocol/errors.ts';
import { controlLineBytesMax, controlReplySchema, type ControlRequest } from './control-protocol.ts';

/**
 * Asks the mount behind a control socket and returns its answer. Throws `unavailable` if nobody listens there,
 * `timeout` if no answer comes within `timeoutMs`, and whatever error the mount answers.
 */
export async function askMount(socketPath: string, request: ControlRequest, timeoutMs: number): Promise<unknown> {
  const line = await exchange(socketPath, `${JSON.stringify(request)}\n`, timeoutMs);
  const reply = controlReplySchema.parse(JSON.parse(line));
  if ('error' in reply) throw new DriveError(codeOf(reply.error.code), reply.error.message);
  return reply.result;
}

function codeOf(text: string): DriveErrorCode {
  return driveErrorCodes.find((code) => code === text) ?? 'internal';
}

function exchange(socketPath: string, line: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(socketPath);
    const fail = (error: DriveError): void => {
      socket.destroy();
      reject(error);
    };
    socket.setEncoding('utf8');
    socket.setTimeout(timeoutMs, () =>
      fail(new DriveError('timeout', `the mount did not answer within ${timeoutMs} ms`)),
    );
    socket.once('error', (cause) => fail(new DriveError('unavailable', 'the mount is not running', { cause })));
    socket.on('data', (text: string) => {
      received += text;
      if (received.length > controlLineBytesMax) fail(new DriveError('internal', 'the mount sent an oversize answer'));
    });
    socket.once('end', () => {
      if (received.endsWith('\n')) resolve(received);
      else reject(new DriveError('unavailable', 'the mount ended before it answered'));
    });
    socket.write(line);
  });
}
