// Placeholder until the next commit: the pipeline on a real signal.
import { takeUntil } from 'rxjs';
import { fromSignals, workerPool } from '../src/index.js';

fromSignals('SIGTERM')
  .pipe(takeUntil(fromSignals('SIGINT')), workerPool(async (signal) => signal, { workers: 5, buffer: 10 }))
  .subscribe((signal) => console.log(signal));
