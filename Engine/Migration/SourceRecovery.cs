using Polly;
using Polly.Retry;
using Serilog;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Memory;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Migration;

/// <summary>Finds out, over new connections, how a post-copy whose link broke can go on. Decides nothing.</summary>
/// <param name="vm">The VM, paused for good.</param>
/// <param name="dialer">Reaches the destination.</param>
/// <param name="channels">Data connections beside the one for requests.</param>
/// <param name="log">Told why the destination was not reached.</param>
internal sealed class SourceRecovery(IVirtualMachine vm, MigrationDialer dialer, int channels, ILogger log)
{
    private static readonly TimeSpan firstPause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan longestPause = TimeSpan.FromSeconds(10);

    /// <summary>Connects anew.</summary>
    /// <returns>A link over which pages may flow, or the reason why none is needed or can be had any more.</returns>
    /// <exception cref="MigrationException">The destination cannot be reached, or refuses for now.</exception>
    public async Task<PostcopyRecovery> ConnectAsync(CancellationToken cancellationToken)
    {
        bool refusedBefore = false;
        while (true)
        {
            try
            {
                (SourceLink link, PageSet missing) = await SourceLink
                    .RecoverAsync(dialer, channels, vm.Memory.SizeBytes, cancellationToken).ConfigureAwait(false);
                return PostcopyRecovery.Over(link, missing);
            }
            catch (MigrationException refused) when (refused.Reason == MigrationErrorReason.TicketRefused)
            {
                switch (await dialer.AskOutcomeAsync(cancellationToken).ConfigureAwait(false))
                {
                    case MigrationOutcome.DestinationOwns:
                        return PostcopyRecovery.NotNeeded();
                    case MigrationOutcome.DestinationReceives when !refusedBefore:
                        // It may have taken the VM over between the refusal and the answer.
                        refusedBefore = true;
                        break;
                    case MigrationOutcome.DestinationReceives:
                        return PostcopyRecovery.Impossible(EngineEnded(refused));
                    default:
                        throw;
                }
            }
        }
    }

    /// <summary>As <see cref="ConnectAsync"/>, with null where the destination was not reached or the host closes.</summary>
    public async Task<PostcopyRecovery?> TryConnectAsync(CancellationToken closing)
    {
        try
        {
            return await ConnectAsync(closing).ConfigureAwait(false);
        }
        catch (Exception error) when (error is MigrationException or OperationCanceledException)
        {
            log.Warning(error, "The destination was not reached again after the grant");
            return null;
        }
    }

    /// <summary>
    /// Asks again and again, ever more rarely, until the destination says that it needs nothing more: the VM may end there, or have its last
    /// page, while the link is broken.
    /// </summary>
    /// <exception cref="OperationCanceledException">Nobody wants to know any more.</exception>
    public async Task WaitUntilNotNeededAsync(CancellationToken cancellationToken)
    {
        ResiliencePipeline<MigrationOutcome> patient = new ResiliencePipelineBuilder<MigrationOutcome>()
            .AddRetry(new RetryStrategyOptions<MigrationOutcome>
            {
                ShouldHandle = new PredicateBuilder<MigrationOutcome>()
                    .Handle<MigrationException>()
                    .HandleResult(outcome => outcome != MigrationOutcome.DestinationOwns),
                Delay = firstPause,
                BackoffType = DelayBackoffType.Exponential,
                MaxDelay = longestPause,
                MaxRetryAttempts = int.MaxValue,
            })
            .Build();
        await patient.ExecuteAsync(async token => await dialer.AskOutcomeAsync(token).ConfigureAwait(false), cancellationToken)
            .ConfigureAwait(false);
    }

    private MigrationException EngineEnded(MigrationException refused) => new(
        MigrationErrorReason.InvalidState,
        $"Host '{dialer.Offer.DestinationHostName}' no longer takes the pages of '{vm.Specification.Name}': its engine ended meanwhile.",
        "The VM cannot go on there without its pages: end its process there, and start it anew from its disks. Then stop the copy here with"
        + " force and remove it.", refused);
}
