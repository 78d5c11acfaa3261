import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Context, Span, Tracer } from '@opentelemetry/api';
import type { AsyncLocalStorage } from 'node:async_hooks';
import { tracingChannel } from 'node:diagnostics_channel';

/** What the channel tells of an attempt: the same object at each event. */
interface JobRun {
  readonly pool: string;
  readonly id?: number;
  /** Its caller waits for its result: `submit`. */
  readonly awaited?: boolean;
  readonly attempt: number;
  readonly worker: number;
  readonly error?: unknown;
}

/**
 * A span for each attempt of each job of each pool in this process: a child of the request that waits for it (`submit`), or a
 * trace of its own that is linked to the request (`offer`, `send`), which may have been answered long before the job runs.
 *
 * @param contexts where the context manager keeps the active context
 */
export function traceJobs(tracer: Tracer, contexts: AsyncLocalStorage<Context>): void {
  const spans = new WeakMap<JobRun, Span>();
  const channel = tracingChannel<Context, JobRun>('rxjs-background-jobs:job.run');

  channel.start.bindStore(contexts, (run) => {
    const caller = context.active();
    const request = trace.getSpanContext(caller);
    const isChild = run.awaited === true || request === undefined;
    const span = tracer.startSpan(
      `process ${run.pool}`,
      {
        kind: SpanKind.CONSUMER,
        attributes: {
          'messaging.system': 'rxjs-background-jobs',
          'messaging.operation.type': 'process',
          'messaging.destination.name': run.pool,
          ...(run.id !== undefined && { 'messaging.message.id': String(run.id) }),
          'job.attempt': run.attempt,
          'job.worker': run.worker,
        },
        ...(!isChild && { root: true, links: [{ context: request }] }),
      },
      caller,
    );
    spans.set(run, span);
    return trace.setSpan(caller, span);
  });

  channel.asyncEnd.subscribe((message) => {
    const run = message as JobRun;
    const span = spans.get(run);
    // Its start was before this call.
    if (span === undefined) return;
    if ('error' in run) {
      const error = run.error instanceof Error ? run.error : new Error(String(run.error));
      span.recordException(error);
      span.setAttribute('error.type', error.name);
      span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    }
    span.end();
  });
}
