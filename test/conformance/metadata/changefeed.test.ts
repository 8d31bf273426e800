import { describe } from 'vitest';
import { engines } from './engines.ts';
import { changefeedSuite } from './changefeed-suite.ts';

describe.each(engines())('metadata on $name', (engine) => changefeedSuite(engine));
