import { runPipeline } from '@kvm-audio/daemon';
import { OutputPipeline } from './OutputPipeline.js';

await runPipeline('output', (context) => new OutputPipeline(context));
