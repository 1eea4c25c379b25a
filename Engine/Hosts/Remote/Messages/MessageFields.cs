using Google.Protobuf.WellKnownTypes;

namespace VmMigration.Engine.Hosts.Remote.Messages;

/// <summary>
/// Fields of messages that a peer sent, each checked: what is missing, malformed or unknown is a
/// <see cref="MigrationErrorReason.ProtocolViolation"/> that names the field.
/// </summary>
internal static class MessageFields
{
    // The longest that google.protobuf.Duration holds (duration.proto), about 10,000 years.
    private static readonly TimeSpan longestDuration = TimeSpan.FromSeconds(Duration.MaxSeconds);

    /// <summary>A part that must be there.</summary>
    public static T Required<T>(T? part, string field) where T : class => part ?? throw Violation(field, "is missing");

    /// <summary>A text that must not be empty.</summary>
    public static string RequiredText(string text, string field) => text.Length > 0 ? text : throw Violation(field, "is missing");

    /// <summary>An id.</summary>
    public static Guid ToGuid(string text, string field) =>
        Guid.TryParseExact(text, "D", out Guid id) ? id : throw Violation(field, $"is '{Shorten(text)}' and no UUID of 36 characters");

    /// <summary>A value of an enumeration whose numbers are the engine's; zero is none.</summary>
    public static TRecord ToEnum<TRecord>(System.Enum value, string field) where TRecord : struct, System.Enum
    {
        TRecord known = ToEnumOrInvalid<TRecord>(value, field);
        return Number(known) != 0 ? known : throw Violation(field, "is missing");
    }

    /// <summary>The same where zero has a meaning of its own.</summary>
    public static TRecord ToEnumOrInvalid<TRecord>(System.Enum value, string field) where TRecord : struct, System.Enum
    {
        var known = (TRecord)System.Enum.ToObject(typeof(TRecord), Number(value));
        return System.Enum.IsDefined(known) ? known : throw Violation(field, $"is {Number(value)}, which this version does not know");
    }

    /// <summary>The enumeration value of a message, of the same number.</summary>
    public static TMessage ToMessage<TMessage>(System.Enum value) where TMessage : struct, System.Enum =>
        (TMessage)System.Enum.ToObject(typeof(TMessage), Number(value));

    /// <summary>A duration that must be there.</summary>
    public static TimeSpan ToTimeSpan(Duration? duration, string field) => ToOptionalTimeSpan(Required(duration, field), field)!.Value;

    /// <summary>A duration, or null.</summary>
    public static TimeSpan? ToOptionalTimeSpan(Duration? duration, string field)
    {
        try
        {
            return duration?.ToTimeSpan();
        }
        catch (InvalidOperationException)
        {
            throw Violation(field, "is out of the range of a duration");
        }
    }

    /// <summary>The duration of a message.</summary>
    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.InvalidArgument"/> for more than 10,000 years.</exception>
    public static Duration ToMessage(TimeSpan time) => time.Duration() <= longestDuration
        ? Duration.FromTimeSpan(time)
        : throw new MigrationException(MigrationErrorReason.InvalidArgument, $"{time} is longer than a message can hold.",
            $"Give at most {longestDuration.TotalDays:F0} days.");

    /// <summary>A moment that must be there, in UTC.</summary>
    public static DateTimeOffset ToTime(Timestamp? time, string field) => ToOptionalTime(Required(time, field), field)!.Value;

    /// <summary>A moment in UTC, or null.</summary>
    public static DateTimeOffset? ToOptionalTime(Timestamp? time, string field)
    {
        try
        {
            return time?.ToDateTimeOffset();
        }
        catch (InvalidOperationException)
        {
            throw Violation(field, "is out of the range of a time");
        }
    }

    private static int Number(System.Enum value) => ((IConvertible)value).ToInt32(null);

    private static string Shorten(string text) => text.Length <= 40 ? text : text[..40] + "…";

    private static MigrationException Violation(string field, string what) => new(
        MigrationErrorReason.ProtocolViolation, $"The field {field} of a message {what}.",
        "Run the same version of VmMigration on both machines.");
}
