import type { Job } from '../../api/types';

type Wanted = Pick<Job, 'id' | 'status' | 'attempt'>;

/**
 * Last errors of jobs. Lists come without them: they are asked for job by job, a few at a time, and once for each attempt.
 * What cannot be had is left out; the job itself tells when it is opened.
 */
export class LastErrors {
  private known: ReadonlyMap<string, string> = $state.raw(new Map());
  private waiting: Wanted[] = [];
  private asked = new Set<string>();
  private running = 0;
  private ended = new AbortController();

  constructor(
    private readonly ask: (id: string, signal: AbortSignal) => Promise<string>,
    private readonly most = 4,
  ) {}

  of(job: Wanted): string {
    return this.known.get(key(job)) ?? '';
  }

  /** Asks for those of these jobs that are not known yet; the others that wait are dropped. */
  want(jobs: readonly Wanted[]): void {
    this.waiting = jobs.filter((j) => mayHave(j) && !this.asked.has(key(j)));
    while (this.running < this.most && this.waiting.length > 0) void this.work();
  }

  stop(): void {
    this.waiting = [];
    this.ended.abort();
  }

  private async work(): Promise<void> {
    this.running++;
    for (let job = this.waiting.shift(); job; job = this.waiting.shift()) {
      const name = key(job);
      if (this.asked.has(name)) continue;
      this.asked.add(name);
      try {
        const text = await this.ask(job.id, this.ended.signal);
        this.known = new Map(this.known).set(name, text);
      } catch {
        this.asked.delete(name);
      }
    }
    this.running--;
  }
}

const key = (j: Wanted) => `${j.id} ${j.status} ${j.attempt}`;
const mayHave = (j: Wanted) =>
  j.status === 'dead' || j.status === 'retry' || (j.status !== 'completed' && j.attempt > 1);
