using VmMigration.Engine.Hosts;
using Xunit;

namespace VmMigration.Functional.Tests.CrashSafety;

/// <summary>Reads what a <see cref="CheckingGuest"/> says of itself.</summary>
internal static class GuestTicks
{
    /// <summary>Waits until the guest has looked at its memory twice more, and found it whole every time.</summary>
    public static async Task WaitAsync(VmDescription vm, TimeSpan limit, CancellationToken cancellationToken)
    {
        string path = vm.Instance!.SerialLogPath!;
        int before = -1;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(limit);
        while (true)
        {
            string said = File.Exists(path) ? await File.ReadAllTextAsync(path, cancellationToken) : "";
            Assert.DoesNotContain("corrupt", said, StringComparison.Ordinal);
            int ticks = said.Split("tick ").Length - 1;
            if (before < 0) before = ticks;
            if (ticks >= before + 2) return;
            if (deadline.IsCancellationRequested) Assert.Fail($"The guest does not tick within {limit}; it said: {said}");
            await Task.Delay(50, cancellationToken);
        }
    }
}
