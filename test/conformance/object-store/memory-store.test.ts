import { MemoryStore } from '../../../blockstore/memory-store.ts';
import { describeObjectStore } from './object-store-suite.ts';

describeObjectStore('MemoryStore', async () => ({ store: new MemoryStore(), dispose: async () => undefined }));
