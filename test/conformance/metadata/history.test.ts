import { describe } from 'vitest';
import { engines } from './engines.ts';
import { historySuite } from './history-suite.ts';

describe.each(engines())('metadata on $name', (engine) => historySuite(engine));
