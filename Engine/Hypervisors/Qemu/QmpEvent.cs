using System.Text.Json;

namespace VmMigration.Engine.Hypervisors.Qemu;

/// <summary>Something QEMU reported by itself.</summary>
/// <param name="Name">Name of the event in the QMP reference, for example <c>MIGRATION</c>.</param>
/// <param name="Data">Its members; <see cref="JsonValueKind.Undefined"/> where it has none.</param>
/// <param name="Timestamp">When it happened by QEMU's clock, UTC, to the microsecond.</param>
/// <param name="ReceivedAt">When it arrived here, as a <see cref="System.Diagnostics.Stopwatch"/> timestamp.</param>
public sealed record QmpEvent(string Name, JsonElement Data, DateTimeOffset Timestamp, long ReceivedAt)
{
    /// <summary>A member of <see cref="Data"/> that holds text, or null where there is none of that name.</summary>
    public string? Text(string member) =>
        Data.ValueKind == JsonValueKind.Object && Data.TryGetProperty(member, out JsonElement value)
            && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;
}
