import { InProcessPipeline } from '../../../mount/sync/block-pipeline.ts';
import { describePipeline } from './pipeline-suite.ts';

describePipeline('InProcessPipeline', () => new InProcessPipeline());
