// What a NestJS service needs: a provider that owns the jobs, and a controller that answers before they are done.
import {
  BadRequestException,
  Body,
  Controller,
  HttpCode,
  Injectable,
  Post,
  Res,
  ServiceUnavailableException,
} from '@nestjs/common';
import type { OnApplicationShutdown, OnModuleDestroy, OnModuleInit } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { interval, map } from 'rxjs';
import type { Subscription } from 'rxjs';
import { BackgroundJobs } from '../../src/index.js';

const ONE_DAY = 86_400_000;

export abstract class MailServer {
  abstract send(mail: string): Promise<void>;
}

@Injectable()
export class MailService implements OnModuleInit, OnModuleDestroy, OnApplicationShutdown {
  private readonly jobs: BackgroundJobs<string, void>;
  private digests: Subscription | undefined;

  constructor(server: MailServer) {
    const work = (mail: string): Promise<void> => server.send(mail);
    this.jobs = new BackgroundJobs(work, { workers: 2, buffer: 3, overflow: 'drop-incoming' });
  }

  onModuleInit(): void {
    this.digests = this.jobs.listenTo(interval(ONE_DAY).pipe(map((day) => `digest ${day}`)));
    this.jobs.outcomes$.subscribe((outcome) => {
      if (outcome.status === 'failed') console.error(`not sent: ${outcome.job}`, outcome.error);
    });
  }

  /** Takes a mail on, or returns false when the buffer is full. */
  accept(mail: string): boolean {
    return this.jobs.offer(mail);
  }

  /** Nest still serves requests, which may still send mails: only the source that emits by itself ends here. */
  onModuleDestroy(): void {
    this.digests?.unsubscribe();
  }

  /** Nest has closed its connections, and waits for this promise. A container is killed 30 seconds after its SIGTERM. */
  async onApplicationShutdown(signal?: string): Promise<void> {
    const { running, queued } = this.jobs.stats;
    console.log(`${signal}: ${running} running, ${queued} queued`);
    const { level, stats } = await this.jobs.shutdown('drain', { deadline: 20_000 });
    console.log(`${level}: ${stats.completed} sent, ${stats.evicted + stats.aborted} lost`);
  }
}

@Controller('mails')
export class MailsController {
  constructor(private readonly mails: MailService) {}

  @Post()
  @HttpCode(202)
  post(@Body('to') to: unknown, @Res({ passthrough: true }) response: ServerResponse): { accepted: string } {
    if (typeof to !== 'string') throw new BadRequestException('to must be a string');
    if (this.mails.accept(to)) return { accepted: to };
    response.setHeader('Retry-After', '1');
    throw new ServiceUnavailableException('too many mails are waiting already');
  }
}
