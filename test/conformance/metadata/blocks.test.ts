import { describe } from 'vitest';
import { engines } from './engines.ts';
import { blocksSuite } from './blocks-suite.ts';

describe.each(engines())('metadata on $name', (engine) => blocksSuite(engine));
