// Overview, instances, triggers, audit and jobs.
export const operation = {} as const;
