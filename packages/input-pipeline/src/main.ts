import { runPipeline } from '@kvm-audio/daemon';
import { InputPipeline } from './InputPipeline.js';

await runPipeline('input', (context) => new InputPipeline(context));
