import { z } from 'zod';

/**
 * What a command and a running mount say to each other over the mount's control socket: one line of JSON each way,
 * then the connection ends. The socket's folder is private to its user, which is all the access check there is.
 */
export const controlRequestSchema = z.discriminatedUnion('method', [
  z.object({ method: z.literal('status') }),
  z.object({ method: z.literal('drain'), timeoutMs: z.number().positive() }),
  // Paths are from the root of the drive, with `/` between names.
  z.object({ method: z.literal('pin'), path: z.string(), timeoutMs: z.number().positive() }),
  z.object({ method: z.literal('unpin'), path: z.string() }),
  z.object({ method: z.literal('evict'), path: z.string() }),
  z.object({ method: z.literal('unmount'), force: z.boolean() }),
]);

export type ControlRequest = z.infer<typeof controlRequestSchema>;

/** One mount as `holdfast status --json` lists it. */
export const mountStatusSchema = z.object({
  path: z.string(),
  namespace: z.string(),
  server: z.string(),
  pid: z.number(),
  cacheDirectory: z.string(),
  cursor: z.number(),
  connected: z.boolean(),
  dirtyEntries: z.number(),
  dirtyBytes: z.number(),
  uploadedBlocks: z.number(),
  uploadedBytes: z.number(),
  hydratedBytes: z.number(),
  cachedBytes: z.number(),
  pinnedBytes: z.number(),
  conflicts: z.number(),
  lastError: z.string().nullable(),
});

export type MountStatus = z.infer<typeof mountStatusSchema>;

/** What `evict` answers. */
export const evictedSchema = z.object({
  freedBytes: z.number(),
  dirtyFiles: z.number(),
  pinnedFiles: z.number(),
  busyFiles: z.number(),
});

export const controlReplySchema = z.union([
  z.object({ result: z.unknown() }),
  z.object({ error: z.object({ code: z.string(), message: z.string() }) }),
]);

export type ControlReply = z.infer<typeof controlReplySchema>;

/** A request or reply line beyond this is refused. */
export const controlLineBytesMax = 64 * 1024;
