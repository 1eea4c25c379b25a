using Serilog;
using VmMigration.Engine.Protocol;

namespace VmMigration.Engine.Disks;

/// <summary>How a disk transfer ends at its source where it does not complete: the last words of both sides, and what they mean.</summary>
internal static class DiskSenderEnd
{
    private const string StartAgain = "Start the transfer again: it goes on from what has arrived.";

    private static readonly TimeSpan patienceLimit = TimeSpan.FromSeconds(10);

    /// <summary>What an error means for whoever asked for the transfer.</summary>
    /// <param name="error">What ended it.</param>
    /// <param name="cancelled">Whether it was asked to stop.</param>
    /// <param name="destinationName">The other host.</param>
    public static MigrationException Explain(Exception error, bool cancelled, string destinationName) => error switch
    {
        DiskEndedException ended => new(ended.Reason, ended.Message, ended.RecommendedAction ?? StartAgain, ended),
        MigrationException { Reason: MigrationErrorReason.ConnectionLost } lost => new(
            lost.Reason, lost.Message, lost.RecommendedAction ?? $"Mend the link to host '{destinationName}'. {StartAgain}", lost),
        MigrationException known => known,
        OperationCanceledException when cancelled => new(MigrationErrorReason.Cancelled, "The transfer was stopped.", StartAgain, error),
        _ => new(MigrationErrorReason.SystemCallFailed, $"The disk could not be sent: {error.Message}", StartAgain, error),
    };

    /// <summary>Tells the destination why it ends, unless it said so itself, and hears what it kept.</summary>
    public static async Task<Guid?> TellAsync(TransferConversation told, Exception error, MigrationException failure, ILogger log)
    {
        if (error is DiskEndedException ended) return ended.FragmentId;
        using var patience = new CancellationTokenSource(patienceLimit);
        try
        {
            await told.SendAsync(
                FrameType.Abort, FailureMessage.Of(failure), ControlMessages.Default.FailureMessage, patience.Token).ConfigureAwait(false);
            while (true)
            {
                ControlFrame frame = await told.ReceiveAsync(patience.Token).ConfigureAwait(false);
                if (frame.Type == FrameType.DiskEnded) return frame.Read(ControlMessages.Default.DiskEndedMessage).FragmentId;
            }
        }
        catch (Exception lost) when (lost is MigrationException or OperationCanceledException)
        {
            log.Debug(lost, "The destination did not say what it kept");
            return null;
        }
    }

    /// <summary>A data connection that breaks says less than the destination's last words, which come a moment before or after it.</summary>
    public static async Task<MigrationException> ExplainAsync(Task<ControlFrame> next, MigrationException error)
    {
        if (error.Reason != MigrationErrorReason.ConnectionLost) return error;
        await Task.WhenAny(next, Task.Delay(TimeSpan.FromSeconds(1), CancellationToken.None)).ConfigureAwait(false);
        return next is { IsCompletedSuccessfully: true } && await next.ConfigureAwait(false) is { Type: FrameType.DiskEnded } frame
            ? Of(frame)
            : error;
    }

    /// <summary>What the destination says in its last frame.</summary>
    public static DiskEndedException Of(ControlFrame frame)
    {
        DiskEndedMessage message = frame.Read(ControlMessages.Default.DiskEndedMessage);
        return new(message.Failure.ToException(), message.FragmentId);
    }
}
