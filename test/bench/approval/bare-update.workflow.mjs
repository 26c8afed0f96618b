import { condition, defineUpdate, setHandler } from '@temporalio/workflow';

const decide = defineUpdate('decide');

/** The baseline: a workflow that waits for one Update, and answers it when it was taken. */
export async function bareUpdate() {
  let decided;
  setHandler(
    decide,
    (decision) => {
      decided = decision;
      return { state: 'approved' };
    },
    {
      validator: (decision) => {
        if (decision !== 'approve') throw new Error('This baseline takes an approval only.');
      },
    },
  );
  await condition(() => decided !== undefined);
}
