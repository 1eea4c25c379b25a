using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace VmMigration.Engine.Hosts;

/// <summary>How ids, times and records are written in a host's journal.</summary>
internal static class JournalValue
{
    private static readonly JsonSerializerOptions Json = new()
    {
        Converters = { new JsonStringEnumConverter() },
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    public static string Key(Guid id) => id.ToString("D");

    /// <summary>A time as text, in UTC and in the order of time.</summary>
    public static string ToText(DateTimeOffset time) => time.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    public static DateTimeOffset FromText(string text) =>
        DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind);

    public static string? ToJson<T>(T? value) where T : class => value is null ? null : JsonSerializer.Serialize(value, Json);

    /// <exception cref="MigrationException"><see cref="MigrationErrorReason.SystemCallFailed"/> where the text holds none.</exception>
    public static T FromJson<T>(string text) where T : class =>
        JsonSerializer.Deserialize<T>(text, Json)
        ?? throw new MigrationException(MigrationErrorReason.SystemCallFailed, $"The journal holds no {typeof(T).Name} where one belongs.");
}
