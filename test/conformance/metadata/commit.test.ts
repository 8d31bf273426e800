import { describe } from 'vitest';
import { engines } from './engines.ts';
import { commitSuite } from './commit-suite.ts';

describe.each(engines())('metadata on $name', (engine) => commitSuite(engine));
