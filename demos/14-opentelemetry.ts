// OpenTelemetry: a span for each attempt of each job, and metrics, without a line in the code that works or asks. The spans come
// from a channel of Node's diagnostics_channel, to which every pool publishes (14-opentelemetry/tracing.ts); the metrics come
// from hooks (14-opentelemetry/metrics.ts). Three requests: one waits for its mail (submit), one does not (offer), and one waits
// for room only (send).
//
// Run it with: node -r ts-node/register/transpile-only demos/14-opentelemetry.ts
import { context, metrics, SpanKind, trace } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { DataPointType, MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import type { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { BackgroundJobs } from '../src/index.js';
import { measureJobs } from './14-opentelemetry/metrics.js';
import { traceJobs } from './14-opentelemetry/tracing.js';

// ---- Once, where the program starts. A real one exports to a collector.

class Contexts extends AsyncLocalStorageContextManager {
  /** OpenTelemetry has no public name for it, so its tracers of other libraries look here too. */
  get storage(): AsyncLocalStorage<Context> {
    return this['_asyncLocalStorage'] as AsyncLocalStorage<Context>;
  }
}
class OnDemand extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

const contexts = new Contexts();
const exporter = new InMemorySpanExporter();
const reader = new OnDemand();
context.setGlobalContextManager(contexts);
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
traceJobs(trace.getTracer('jobs'), contexts.storage);

// ---- The program

const tracer = trace.getTracer('the program');
let failures = 1;
const mails = new BackgroundJobs(
  async (to: string) => {
    // As the instrumentation of a mail client would make it: it finds the span of the attempt around it.
    const span = tracer.startSpan('SMTP', { kind: SpanKind.CLIENT });
    await sleep(5);
    span.end();
    if (to === 'anna' && failures-- > 0) throw new Error('451 try again later');
  },
  {
    name: 'mails',
    workers: 1,
    buffer: 2,
    overflow: 'drop-incoming',
    retry: 1,
    hooks: measureJobs(metrics.getMeter('jobs'), 'mails'),
  },
);

const request = (name: string, handle: () => unknown): Promise<void> =>
  tracer.startActiveSpan(name, { kind: SpanKind.SERVER }, async (span) => {
    await handle();
    span.end();
  });

async function main(): Promise<void> {
  await Promise.all([
    request('POST /orders', () => mails.submit('anna')),
    request('POST /newsletter', () => mails.offer('ben')),
    request('POST /invitations', () => mails.send('cleo')),
    request('POST /spam', () => mails.offer('dora')),
  ]);
  await mails.shutdown();
  printSpans(exporter.getFinishedSpans());
  await printMetrics();
}

// ---- What a backend would show

function printSpans(spans: readonly ReadableSpan[]): void {
  const nameOf = (id: string): string => spans.find((span) => span.spanContext().spanId === id)?.name ?? '';
  const print = (span: ReadableSpan, depth: number): void => {
    const { attributes, links, name, status } = span;
    const attempt = attributes['job.attempt'];
    const notes = [
      ...(attempt === undefined ? [] : [`attempt ${String(attempt)}`]),
      ...links.map((link) => `linked to ${nameOf(link.context.spanId)}`),
      ...(status.message === undefined ? [] : [`failed: ${status.message}`]),
    ];
    console.log(`${'  '.repeat(depth)}${SpanKind[span.kind]} ${name}${notes.map((note) => ` · ${note}`).join('')}`);
    for (const child of spans)
      if (child.parentSpanContext?.spanId === span.spanContext().spanId) print(child, depth + 1);
  };
  for (const span of spans) if (span.parentSpanContext === undefined) print(span, 0);
}

async function printMetrics(): Promise<void> {
  const { resourceMetrics } = await reader.collect();
  console.log('');
  for (const { metrics: measured } of resourceMetrics.scopeMetrics) {
    for (const { dataPointType, dataPoints, descriptor } of measured) {
      for (const { attributes, value } of dataPoints) {
        const labels = Object.entries(attributes).map(([label, is]) => `${label}=${String(is)}`);
        const shown =
          dataPointType === DataPointType.HISTOGRAM
            ? `${(value as { count: number }).count} times`
            : `${value as number}`;
        console.log(`${descriptor.name} {${labels.join(', ')}} ${shown}`);
      }
    }
  }
}

void main();
