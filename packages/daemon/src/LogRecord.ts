export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

type Write = {
  (message: string): void;
  (fields: Readonly<Record<string, unknown>>, message: string): void;
};

/** What code logs with, whoever writes it: pino in the supervisor, the channel in a pipeline. */
export type Log = Readonly<Record<LogLevel, Write>>;

/** One line of a pipeline's log on its way to the supervisor. */
export type LogRecord = {
  level: LogLevel;
  message: string;
  fields: Record<string, unknown>;
  /** Lines before this one that were dropped, where the supervisor did not read. */
  dropped?: number;
};
