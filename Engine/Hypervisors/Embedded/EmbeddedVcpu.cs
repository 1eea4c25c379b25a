using System.Diagnostics;

namespace VmMigration.Engine.Hypervisors.Embedded;

/// <summary>
/// One vCPU: a dedicated background thread (a guest never takes a thread of the pool) that runs the guest program in batches and looks
/// for orders between them.
/// </summary>
internal sealed class EmbeddedVcpu : IDisposable
{
    private const int StackBytes = 256 * 1024;

    private readonly GuestProgram program;
    private readonly GuestShare share;
    private readonly long stepsPerSecond;
    private readonly long haltAfterSteps;
    private readonly TraceSlot traces;
    private readonly AutoResetEvent wake = new(false);
    private readonly TaskCompletionSource halted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread thread;
    private volatile VcpuOrder order;
    private VcpuRegisters registers;
    private long steps;

    /// <param name="number">Number of the vCPU, from 0; names its thread.</param>
    /// <param name="guest">What it runs.</param>
    /// <param name="share">The memory it owns; must stay mapped until <see cref="Join"/> has returned.</param>
    /// <param name="traces">Where an armed write trace is found.</param>
    /// <param name="firstOrder">What to do at first.</param>
    public EmbeddedVcpu(int number, EmbeddedGuest guest, GuestShare share, TraceSlot traces, VcpuOrder firstOrder)
    {
        this.share = share;
        this.traces = traces;
        program = GuestProgram.Of(guest.Program);
        stepsPerSecond = guest.StepsPerSecond == 0 ? program.DefaultStepsPerSecond : guest.StepsPerSecond;
        haltAfterSteps = guest.HaltAfterSteps == 0 ? long.MaxValue : guest.HaltAfterSteps;
        registers = GuestProgram.InitialRegisters(guest.Seed, number);
        order = firstOrder;
        thread = new Thread(Loop, StackBytes) { IsBackground = true, Name = $"vCPU {number}" };
    }

    /// <summary>Steps run so far, while it runs up to a batch behind.</summary>
    public long Steps => Volatile.Read(ref steps);

    /// <summary>Completes when the program has run all its steps.</summary>
    public Task Halted => halted.Task;

    /// <summary>Whether the thread has not ended.</summary>
    public bool IsAlive => thread.IsAlive;

    /// <summary>The registers; only while the vCPU stands still, or before it was started.</summary>
    public VcpuRegisters Registers
    {
        get => registers;
        set
        {
            registers = value;
            Volatile.Write(ref steps, value.Steps);
        }
    }

    /// <summary>Starts the thread.</summary>
    public void Start() => thread.Start();

    /// <summary>Gives a new order. The one before must have been obeyed.</summary>
    public void Obey(VcpuOrder next)
    {
        order = next;
        wake.Set();
    }

    /// <summary>Waits for the thread to end, after <see cref="VcpuMode.End"/> was obeyed.</summary>
    public void Join() => thread.Join();

    /// <summary>Frees what the thread used; it must have ended.</summary>
    public void Dispose() => wake.Dispose();

    private static TimeSpan Now() => Stopwatch.GetElapsedTime(0);

    private void Loop()
    {
        VcpuOrder? obeyed = null;
        VcpuPace? pace = null;
        while (true)
        {
            VcpuOrder latest = order;
            if (latest != obeyed)
            {
                obeyed = latest;
                pace = new VcpuPace(stepsPerSecond, latest.Share, Now());
                latest.Acknowledge();
                if (latest.Mode == VcpuMode.End) return;
            }

            long left = haltAfterSteps - registers.Steps;
            if (left == 0) halted.TrySetResult();
            if (left == 0 || latest.Mode == VcpuMode.Stand)
            {
                wake.WaitOne();
                continue;
            }

            long batch = Math.Min(left, pace!.Next(Now(), out TimeSpan rest));
            if (batch == 0)
            {
                wake.WaitOne((int)Math.Ceiling(rest.TotalMilliseconds));
                continue;
            }

            Run(batch);
            Volatile.Write(ref steps, registers.Steps);
            pace.Ran(batch, Now());
        }
    }

    private unsafe void Run(long batch)
    {
        if (traces.Armed is { } trace)
        {
            program.Run(ref registers, share, new TracedWrites(trace.Marks, trace.GranularityShift), batch);
            GC.KeepAlive(trace);
        }
        else
        {
            program.Run(ref registers, share, default(UntracedWrites), batch);
        }
    }
}
