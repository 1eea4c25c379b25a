namespace VmMigration.Engine.Tests.Disks;

/// <summary>A clock that goes only when a test says so.</summary>
internal sealed class SettableClock : TimeProvider
{
    private DateTimeOffset now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override DateTimeOffset GetUtcNow() => now;

    public void Advance(TimeSpan time) => now += time;
}
