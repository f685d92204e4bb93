/** Why a row cannot be used whole: a reason to count by, and what to say of this row. */
export interface ImageProblem {
  readonly reason: string;
  readonly detail: string;
}
