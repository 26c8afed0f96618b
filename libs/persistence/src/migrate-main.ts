import { runMigrateCommand } from './migrate-command.ts';

runMigrateCommand(process.env).then(
  (result) => console.log(JSON.stringify(result)),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  },
);
