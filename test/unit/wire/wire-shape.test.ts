import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { driveErrorCodes } from '../../../protocol/errors.ts';
import type { BlockHash } from '../../../protocol/ids.ts';
import { encodeBlockFrames } from '../../../protocol/wire/block-frames.ts';
import { changeLine } from '../../../protocol/wire/change-lines.ts';
import { endpointPath, endpoints, streamEndpoints } from '../../../protocol/wire/endpoints.ts';
import { appliedMessage, notificationMessage } from '../../../protocol/wire/notification-messages.ts';
import { wireError } from '../../../protocol/wire/wire-error.ts';
import { framesContentType, linesContentType, wireVersion } from '../../../protocol/wire/wire-version.ts';
import { collectAll } from '../../gateway/tree-values.ts';

/** Everything that the two ends see of each other. */
async function wireShape(): Promise<unknown> {
  const shapeOf = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input' });
  const calls = Object.values({ ...endpoints, ...streamEndpoints }).map((endpoint) => ({
    path: endpointPath(endpoint),
    scope: endpoint.scope,
    bodyBytesMax: endpoint.bodyBytesMax,
    request: shapeOf(endpoint.request),
    response: shapeOf(endpoint.response),
  }));
  const hash = '0123456789abcdef'.repeat(4) as BlockHash;
  const frames = await collectAll(
    encodeBlockFrames([
      { hash, length: 3, encoding: 'raw', bytes: Buffer.from('abc') },
      { hash, length: 300, encoding: 'zstd', bytes: Buffer.from('xyz') },
    ]),
  );
  return {
    calls,
    changeLine: shapeOf(changeLine),
    wireError: shapeOf(wireError),
    notification: shapeOf(notificationMessage),
    applied: shapeOf(appliedMessage),
    frames: Buffer.concat(frames).toString('hex'),
    contentTypes: [framesContentType, linesContentType],
  };
}

test('the wire changes only together with its version', async () => {
  const shape = JSON.stringify(await wireShape());
  const recorded = JSON.parse(await readFile(join(import.meta.dirname, 'wire-shape.json'), 'utf8')) as unknown;
  const actual = { wireVersion, sha256: createHash('sha256').update(shape).digest('hex') };
  expect(actual, 'the wire changed: raise wireVersion, then record these figures in wire-shape.json').toEqual(recorded);
});

test('the shape tells of every field that matters', async () => {
  const shape = JSON.stringify(await wireShape());
  for (const word of ['clientCommitId', 'onConflict', 'mtimeNs', 'xattrs', 'storedBlocks', ...driveErrorCodes]) {
    expect(shape).toContain(`"${word}"`);
  }
});
