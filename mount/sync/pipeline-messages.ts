import type { ByteRange } from '../content/content-store.ts';
import type { BlockEncoding } from '../../protocol/block-service.ts';
import type { DriveErrorCode } from '../../protocol/errors.ts';
import type { PlacedBlock } from './block-pipeline.ts';

/**
 * What the pipeline's thread is asked for. `path` is the content file; manifests travel encoded, because thousands of
 * small objects cost both threads more than one buffer does.
 */
export type PipelineTask =
  | {
      readonly type: 'cut';
      readonly path: string;
      readonly size: number;
      readonly dataRanges: readonly ByteRange[];
      readonly dirtyRanges: readonly ByteRange[];
      readonly base: Uint8Array | undefined;
      /** Whether all of the file is local. If not, the thread asks for every piece it wants. */
      readonly isLocal: boolean;
    }
  | { readonly type: 'frame'; readonly path: string; readonly block: PlacedBlock };

/** A frame without what the asker knows already; `undefined` if the file holds other bytes there. */
export type FramedBytes = { readonly encoding: BlockEncoding; readonly bytes: Uint8Array<ArrayBuffer> } | undefined;

export interface PieceRequest {
  readonly offset: number;
  readonly length: number;
}

export interface PassedError {
  readonly code: DriveErrorCode;
  readonly message: string;
}

/** To the thread: a task, or the piece that a task asked for. */
export type ToWorker =
  | { readonly type: 'task'; readonly id: number; readonly task: PipelineTask }
  | { readonly type: 'piece'; readonly id: number; readonly bytes: Uint8Array | PassedError };

/** From the thread: how a task ended, or which piece of its file it wants. */
export type FromWorker =
  | { readonly type: 'manifest'; readonly id: number; readonly manifest: Uint8Array<ArrayBuffer> }
  | { readonly type: 'framed'; readonly id: number; readonly framed: FramedBytes }
  | { readonly type: 'failed'; readonly id: number; readonly error: PassedError }
  | { readonly type: 'wanted'; readonly id: number; readonly piece: PieceRequest };
