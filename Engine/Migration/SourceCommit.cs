using Polly;
using Polly.Retry;
using Polly.Timeout;
using Serilog;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>
/// The point of no return, seen from the source: the grant is sent, and the destination's word decides from then on. Where its answer is
/// lost its journal is asked.
/// </summary>
internal sealed class SourceCommit(SourceLink link, MigrationDialer dialer, ILogger log)
{
    private static readonly TimeSpan answerLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan outcomeLimit = TimeSpan.FromSeconds(30);

    /// <summary>The connections the VM is given away on.</summary>
    public SourceLink Link => link;

    /// <summary>What the destination said of the resume; null where that answer was lost.</summary>
    public ResumedMessage? Resumed { get; private set; }

    /// <summary>Why the destination's answer did not come; null where it did.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Gives the VM away; returns who owns it, <see cref="MigrationOutcome.Invalid"/> where nobody can say.</summary>
    public async Task<MigrationOutcome> RunAsync(bool resume)
    {
        using var limit = new CancellationTokenSource(answerLimit);
        try
        {
            await link.SendAsync(FrameType.Grant, new(resume), ControlMessages.Default.GrantMessage, limit.Token).ConfigureAwait(false);
            ControlFrame frame = await link.ExpectAsync(FrameType.Resumed, answerLimit, CancellationToken.None).ConfigureAwait(false);
            Resumed = frame.Read(ControlMessages.Default.ResumedMessage);
            return MigrationOutcome.DestinationOwns;
        }
        catch (Exception error) when (error is MigrationException or OperationCanceledException)
        {
            Failure = error;

            // An abort is the destination's word that the VM never ran there and is gone, except where it says that it does not know.
            if (link.Aborted is { } abort)
            {
                return abort.Reason == MigrationErrorReason.Undecided ? MigrationOutcome.Invalid : MigrationOutcome.SourceOwns;
            }

            log.Warning(error, "The destination did not confirm that it resumed the VM; asking for the outcome");
            return await AskOutcomeAsync().ConfigureAwait(false);
        }
    }

    private async Task<MigrationOutcome> AskOutcomeAsync()
    {
        ResiliencePipeline<MigrationOutcome> retry = new ResiliencePipelineBuilder<MigrationOutcome>()
            .AddTimeout(outcomeLimit)
            .AddRetry(new RetryStrategyOptions<MigrationOutcome>
            {
                ShouldHandle = new PredicateBuilder<MigrationOutcome>()
                    .Handle<MigrationException>(error => error.Reason == MigrationErrorReason.ConnectionLost)
                    .HandleResult(MigrationOutcome.Pending),
                Delay = TimeSpan.FromMilliseconds(50),
                BackoffType = DelayBackoffType.Exponential,
                MaxDelay = TimeSpan.FromSeconds(2),
                MaxRetryAttempts = int.MaxValue,
            })
            .Build();
        try
        {
            return await retry.ExecuteAsync(
                async token => await dialer.AskOutcomeAsync(token).ConfigureAwait(false)).ConfigureAwait(false);
        }
        catch (Exception error) when (error is MigrationException or TimeoutRejectedException)
        {
            log.Error(error, "The destination does not say who owns the VM");
            return MigrationOutcome.Invalid;
        }
    }
}
