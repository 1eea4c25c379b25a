namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>Failures as messages and back.</summary>
internal static class FailureMessages
{
    /// <summary>Most characters of a text: the trailers of a call have to stay below what HTTP libraries accept (64 KiB in .NET).</summary>
    public const int MaxTextLength = 2048;

    public static Contract.Failure ToMessage(this MigrationException error)
    {
        var message = new Contract.Failure
        {
            Reason = MessageFields.ToMessage<Contract.FailureReason>(error.Reason),
            Message = Shorten(error.Message),
        };
        if (error.RecommendedAction is not null) message.RecommendedAction = Shorten(error.RecommendedAction);
        return message;
    }

    /// <summary>The failure as the host raised it.</summary>
    public static MigrationException ToException(this Contract.Failure message, Exception cause) => new(
        MessageFields.ToEnum<MigrationErrorReason>(message.Reason, "Failure.reason"), message.Message,
        message.HasRecommendedAction ? message.RecommendedAction : null, cause);

    public static string Shorten(string text)
    {
        if (text.Length <= MaxTextLength) return text;

        // Half of a surrogate pair is no UTF-8.
        int length = char.IsHighSurrogate(text[MaxTextLength - 2]) ? MaxTextLength - 2 : MaxTextLength - 1;
        return string.Concat(text.AsSpan(0, length), "…");
    }
}
