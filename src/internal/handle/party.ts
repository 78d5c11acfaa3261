/** The callers of a merged job: it is given up when all of them have given up. */
export class Party<C, J> {
  /** The job that waited: the merged one is in its place. */
  readonly leader: C;
  /** What that job was before it was merged. */
  readonly firstJob: J;
  /** The others who are told how it ends. */
  readonly followers: Set<C> = new Set();
  /** The caller of the first job has given it up. */
  hasLeaderLeft = false;
  /** Jobs in it that nobody has given up. One without a caller who could stays for good. */
  #kept = 1;

  constructor(leader: C, firstJob: J) {
    this.leader = leader;
    this.firstJob = firstJob;
  }

  /** @param isTold its caller is told how the merged job ends */
  add(follower: C, isHeard: boolean): void {
    this.#kept++;
    if (isHeard) this.followers.add(follower);
  }

  /** A caller has given up. @returns the merged job, when it was the last one */
  leave(caller: C): C | undefined {
    if (caller === this.leader) this.hasLeaderLeft = true;
    else this.followers.delete(caller);
    return --this.#kept === 0 ? this.leader : undefined;
  }
}
